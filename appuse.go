package sallyport

import (
	"cmp"
	"context"
	"time"
)

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
	// AppNames returns the names of apps by their ids. It leaves out those that do not exist.
	AppNames(workspace string, ids []string) (map[string]string, error)
}

// nameApps sets the names of the apps that events are about.
func nameApps(tx Tx, workspace string, events []Event) error {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.App)
	}
	if ids = distinct(ids); len(ids) == 0 {
		return nil
	}
	names, err := tx.AppNames(workspace, ids)
	for i := range events {
		events[i].AppName = names[events[i].App]
	}
	return err
}

// AppActivity is what happened to an app.
type AppActivity struct {
	App
	Use AppUse
	AuditPage
}

// AppActivity returns an app, how often it is used, and its events: those before the event with the id before, or the
// newest if before is empty.
func (s *Service) AppActivity(ctx context.Context, by Caller, id, before string, limit int) (v AppActivity, err error) {
	if err := cmp.Or(s.MayAct(by, ManageApps), s.MayAct(by, ReadAudit)); err != nil {
		return v, err
	}
	since := idFrom(prefixEvent, s.Now().AddDate(0, 0, -UseDays))
	err = s.Store.Read(ctx, func(tx Tx) (err error) {
		found := false
		if v.App, found, err = tx.TakeApp(by.workspace.ID, id); err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if v.AuditPage, err = auditPage(tx, by, EventFilter{App: id}, before, limit); err != nil {
			return err
		}
		read := 0
		v.Use.Opened, read, v.Use.Last, err = tx.AppOpened(by.workspace.ID, id, since, maxUse+1)
		v.Use.More = read > maxUse
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
