package sallyport

import (
	"context"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// ErrAppRefused is the outcome for a person who may not use an app. App.Refused returns it with the app's name.
var ErrAppRefused = &Error{Kind: Denied, Code: "app_refused", Text: text.Say("You may not use this app. If you need it, ask an administrator.")}

// Refused returns ErrAppRefused, which names the app and whom to ask.
func (a App) Refused(in Workspace) error {
	return ErrAppRefused.saying(text.Say("You may not use <bdi>{app}</bdi>. If you need it, ask an administrator of <bdi>{workspace}</bdi>.", "app", a.Name, "workspace", in.Issuer()))
}

// AppUse is how often an app was opened lately.
type AppUse struct {
	Opened int       // in the last UseDays
	Last   time.Time // zero: not in the last UseDays
	More   bool      // there were more events than are counted, so it was opened more often
}

// UseDays is the time that AppUse is about, in days. maxUse is how many events of the app it counts.
const (
	UseDays = 30
	maxUse  = 10000
)

// AppEventTx is the storage of what happened to apps.
type AppEventTx interface {
	// AppOpened counts, among the newest limit events about an app since an id, those of opening it. It returns how many
	// events it has read, and when the app was opened last.
	AppOpened(workspace, app, since string, limit int) (opened, read int, last time.Time, err error)
}

// AppActivity is what happened to an app.
type AppActivity struct {
	App
	Use AppUse
	AuditPage
}

// AppActivity returns an app, how often it is used, and its events: those before the event with the id before, or the
// newest if before is empty.
func (s *Service) AppActivity(ctx context.Context, by Caller, id, before string, limit int) (AppActivity, error) {
	a, err := s.App(ctx, by, id)
	if err != nil {
		return AppActivity{}, err
	}
	v := AppActivity{App: a}
	if v.AuditPage, err = s.AuditLog(ctx, by, EventFilter{App: id}, before, limit); err != nil {
		return v, err
	}
	since := idFrom(prefixEvent, s.Now().AddDate(0, 0, -UseDays))
	err = s.Store.Read(ctx, func(tx Tx) error {
		opened, read, last, err := tx.AppOpened(by.workspace.ID, id, since, maxUse+1)
		v.Use = AppUse{opened, last, read > maxUse}
		return err
	})
	return v, err
}

// AppGroups returns the groups of the workspace, which an app can be opened to, ordered by name.
func (s *Service) AppGroups(ctx context.Context, by Caller) (all []Group, err error) {
	if err := s.mayManage(by, ManageApps); err != nil {
		return nil, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Groups(by.workspace.ID)
		return err
	})
	return all, err
}
