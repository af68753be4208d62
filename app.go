package sallyport

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// App is a program that relies on a workspace to know who its people are.
type App struct {
	Workspace string
	ID        string // also its client id
	AppDetails
	Proxy     AppProxy
	Client    *AppClient // nil: it does not use OpenID Connect
	Enabled   bool
	Epoch     int64 // what the app was issued under another epoch has ended
	CreatedAt time.Time

	ClientEpoch int64 // likewise, for what it was issued by OpenID Connect
}

// AppDetails are the settings of an app that do not depend on how it is connected.
type AppDetails struct {
	Name    string
	Address string    // that the launcher opens; empty: the launcher does not show the app
	Colour  string    // "#rrggbb"; empty: that of the brand
	Access  AppAccess // who may use it
	Groups  []string  // ids of the groups whose people may use it, if Access is AccessGroups
	Level   Level     // what it requires of everyone who opens it
	Fresh   int       // in minutes, the maximum age of the last proof that Level requires; 0: any age
}

// AppProxy is how an app behind a proxy is connected.
type AppProxy struct {
	Hosts  []string // origins, such as https://wiki.example.com. Each belongs to one app of the whole installation
	Rules  []string // in the language of package rule, one per line; the first that matches decides
	Tokens bool     // people may create access tokens for programs that use it
}

// AppAccess is who may use an app.
type AppAccess string

const (
	AccessEveryone AppAccess = "everyone"
	AccessGroups   AppAccess = "groups"
)

// Limits of apps. MaxApps is for a workspace, the others for one app.
const (
	MaxApps      = 1000
	MaxAppHosts  = 50
	MaxAppGroups = 100
	MaxFresh     = 7 * 24 * 60 // minutes: no session is older
	maxAddress   = 2000        // bytes
)

// AppTx is the storage of apps.
type AppTx interface {
	// InsertApp inserts an app with its groups and hosts. A taken name is ErrDuplicate.
	InsertApp(App) error
	// SaveApp replaces everything about an app except when it was created. A taken name is ErrDuplicate.
	SaveApp(App) error
	// DeleteApp deletes an app with everything that belongs to it, and returns whether it existed.
	DeleteApp(workspace, id string) (bool, error)
	// TakeApp returns an app. Inside Write, it locks the app's row until the end of the transaction.
	TakeApp(workspace, id string) (App, bool, error)
	// Apps returns the apps of a workspace, ordered by name.
	Apps(workspace string) ([]App, error)
}

// AppUseTx is the storage of who may use which app.
type AppUseTx interface {
	// AppsOf returns the enabled apps that a user may use, ordered by name.
	AppsOf(workspace, user string) ([]App, error)
	// HostsTaken returns those of the origins that belong to other apps than the one with this id.
	HostsTaken(app string, origins []string) ([]string, error)
	// MayUse reports whether an app is open to a user.
	MayUse(a App, user string) (bool, error)
	// GroupsOf returns the groups of a user, ordered by name.
	GroupsOf(workspace, user string) ([]Group, error)
}

// ErrAppRefused means that a person may not use an app.
var ErrAppRefused = &Error{Kind: Denied, Code: "app_refused", Text: text.Say("You may not use this app. If you need it, ask an administrator.")}

// Refusal returns ErrAppRefused with the name of the app.
func (a App) Refusal() *Error {
	return ErrAppRefused.saying(text.Say("You may not use {app}. If you need it, ask an administrator.", "app", a.Name))
}

// Outcomes of managing apps.
var (
	ErrAppNameTaken   = &Error{Kind: Conflict, Code: "app_name_taken", Text: text.Say("Another app has this name. Choose another."), Field: "name"}
	ErrAppsLimit      = &Error{Kind: Conflict, Code: "too_many_apps", Text: text.Say("A workspace can have 1,000 apps. Delete one that is no longer used.")}
	ErrAddressScheme  = invalid("address", "address_invalid", text.Say("Enter a complete address that begins with https://, such as https://wiki.example.com/."))
	ErrAccessInvalid  = invalid("access", "access_invalid", text.Say("Choose who may use the app."))
	ErrAppGroups      = invalid("group", "group_missing", text.Say("Choose at least one group, or let everyone use the app."))
	ErrAppGroupsLimit = invalid("group", "too_many_groups", text.Say("An app can have 100 groups. Choose fewer."))
	ErrGroupUnknown   = invalid("group", "group_unknown", text.Say("One of these groups does not exist any more. Choose again."))
	ErrLevelInvalid   = invalid("level", "level_invalid", text.Say("Choose what the app requires."))
	ErrFreshInvalid   = invalid("fresh", "fresh_invalid", text.Say("Enter a number of minutes from 0 to 10,080, which is a week. With 0, a proof of any age will do."))
)

// managing is what changing an app needs (I22, I60).
var managing = access{may: ManageApps, proof: StrongFactor}

// Apps returns the apps of the workspace, ordered by name.
func (s *Service) Apps(ctx context.Context, by Caller) (all []App, err error) {
	if err := s.mayManage(by, ManageApps); err != nil {
		return nil, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.Apps(by.workspace.ID)
		return err
	})
	return all, err
}

// App returns one app of the workspace, or ErrNotFound.
func (s *Service) App(ctx context.Context, by Caller, id string) (a App, err error) {
	if err := s.mayManage(by, ManageApps); err != nil {
		return a, err
	}
	found := false
	err = s.Store.Read(ctx, func(tx Tx) error {
		a, found, err = tx.TakeApp(by.workspace.ID, id)
		return err
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return a, err
}

// MayManageApps reports whether the caller may add or change an app now.
func (s *Service) MayManageApps(by Caller) error { return s.may(by, managing) }

// CreateApp adds an app, which is enabled from then on. Of a, it uses the details and the connections.
func (s *Service) CreateApp(ctx context.Context, by Caller, a App) (App, error) {
	if err := s.mayManage(by, ManageApps); err != nil {
		return a, err
	}
	now := s.Now()
	a.Workspace, a.ID, a.Enabled, a.Epoch, a.CreatedAt = by.workspace.ID, newID(prefixApp, now), true, 1, now
	if err := a.tidy(); err != nil {
		return a, err
	}
	err := s.manage(ctx, by, managing, func(tx Tx) error {
		if _, err := tx.LockOwners(a.Workspace); err != nil { // so that apps are counted one after the other
			return err
		}
		all, err := tx.Apps(a.Workspace)
		if err != nil {
			return err
		}
		if len(all) >= MaxApps {
			return ErrAppsLimit
		}
		if err := s.settleApp(tx, a); err != nil {
			return err
		}
		if err := tx.InsertApp(a); err != nil {
			return appErr(err)
		}
		return s.record(tx, by.about(a.ID), "app.created", "", Done, map[string]string{"name": a.Name})
	})
	if err == nil {
		s.publishKey(ctx, by, a)
	}
	return a, err
}

// ChangeApp changes an app. change gets the app as it is in the database; it may run again. Everything that the app was
// issued stays valid, as far as what it now requires is met. Without its Client, what it was issued by OpenID Connect ends for
// good, with its secrets.
func (s *Service) ChangeApp(ctx context.Context, by Caller, id string, change func(*App)) error {
	return s.changeApp(ctx, by, id, "app.changed", func(tx Tx, a *App) error {
		change(a)
		if err := a.tidy(); err != nil {
			return err
		}
		return s.settleApp(tx, *a)
	})
}

// EnableApp lets people use an app again.
func (s *Service) EnableApp(ctx context.Context, by Caller, id string) error {
	return s.changeApp(ctx, by, id, "app.enabled", func(_ Tx, a *App) error {
		a.Enabled = true
		return nil
	})
}

// DisableApp closes an app to everyone. It ends everything that the app was issued, at once and for good.
func (s *Service) DisableApp(ctx context.Context, by Caller, id string) error {
	return s.changeApp(ctx, by, id, "app.disabled", func(_ Tx, a *App) error {
		if a.Enabled {
			a.Epoch++
		}
		a.Enabled = false
		return nil
	})
}

// DeleteApp deletes an app with everything that it was issued.
func (s *Service) DeleteApp(ctx context.Context, by Caller, id string) error {
	return s.manage(ctx, by, managing, func(tx Tx) error {
		a, found, err := tx.TakeApp(by.workspace.ID, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if _, err := tx.DeleteApp(a.Workspace, a.ID); err != nil {
			return err
		}
		return s.record(tx, by.about(a.ID), "app.deleted", "", Done, map[string]string{"name": a.Name})
	})
}

// Launcher returns the apps that the caller may open: those that have an address.
func (s *Service) Launcher(ctx context.Context, by Caller) (all []App, err error) {
	if err := s.may(by, access{}); err != nil {
		return nil, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		all, err = tx.AppsOf(by.workspace.ID, by.user.ID)
		return err
	})
	return slices.DeleteFunc(all, func(a App) bool { return a.Address == "" }), err
}

// changeApp runs a change to an app whose row is locked. If it changes something, it records that as an event of the kind.
func (s *Service) changeApp(ctx context.Context, by Caller, id, kind string, change func(Tx, *App) error) error {
	var a App
	err := s.manage(ctx, by, managing, func(tx Tx) error {
		if _, err := tx.LockOwners(by.workspace.ID); err != nil { // so that its groups are not deleted meanwhile
			return err
		}
		was, found, err := tx.TakeApp(by.workspace.ID, id)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		a = was.clone()
		if err := change(tx, &a); err != nil {
			return err
		}
		detail := a.differences(was)
		if len(detail) == 0 {
			return nil
		}
		if was.Client != nil && a.Client == nil {
			if err := s.disconnect(tx, by, &a); err != nil {
				return err
			}
		}
		if err := tx.SaveApp(a); err != nil {
			return appErr(err)
		}
		detail["name"] = was.Name
		return s.record(tx, by.about(a.ID), kind, "", Done, detail)
	})
	if err == nil {
		s.publishKey(ctx, by, a)
	}
	return err
}

// disconnect ends what an app was issued by OpenID Connect, and its secrets. Its other connections stay as they are.
func (s *Service) disconnect(tx Tx, by Caller, a *App) error {
	a.ClientEpoch++
	all, err := tx.ClientSecrets(a.Workspace, a.ID)
	for _, one := range all {
		if err == nil {
			err = s.endSecret(tx, by, *a, one.ID)
		}
	}
	return err
}

// clientEpoch returns the epoch of what the app is issued by OpenID Connect now. As both parts only grow, it is the same again
// only if neither has changed.
func (a App) clientEpoch() int64 { return a.Epoch + a.ClientEpoch }

// settleApp checks what an app refers to. The app is tidy.
func (s *Service) settleApp(tx Tx, a App) error {
	if err := s.checkGroups(tx, a); err != nil {
		return err
	}
	if len(a.Proxy.Hosts) == 0 {
		return nil
	}
	taken, err := tx.HostsTaken(a.ID, a.Proxy.Hosts)
	if err != nil || len(taken) == 0 {
		return err
	}
	return ErrHostOfOther.saying(text.Say("Another app answers on {host} already. Remove it there first.", "host", taken[0]))
}

func (s *Service) checkGroups(tx Tx, a App) error {
	if len(a.Groups) == 0 {
		return nil
	}
	all, err := tx.Groups(a.Workspace)
	if err != nil {
		return err
	}
	for _, id := range a.Groups {
		if !slices.ContainsFunc(all, func(g Group) bool { return g.ID == id }) {
			return ErrGroupUnknown
		}
	}
	return nil
}

// appErr returns the outcome for a duplicate name.
func appErr(err error) error {
	if errors.Is(err, ErrDuplicate) {
		return ErrAppNameTaken
	}
	return err
}

// tidy brings what was typed into the form that is stored, and returns everything that is wrong with it.
func (a *App) tidy() error {
	var wrong []error
	keep := func(err error) { wrong = append(wrong, err) }
	var err error
	if a.Name, err = cleanName("name", a.Name); err != nil {
		keep(err)
	}
	if a.Address = strings.TrimSpace(a.Address); a.Address != "" && !validAddress(a.Address) {
		keep(ErrAddressScheme)
	}
	if a.Colour = strings.ToLower(strings.TrimSpace(a.Colour)); a.Colour != "" && !ValidColour(a.Colour) {
		keep(ErrColourInvalid)
	}
	slices.Sort(a.Groups)
	a.Groups = slices.Compact(a.Groups)
	switch {
	case a.Access == AccessEveryone:
		a.Groups = nil
	case a.Access != AccessGroups:
		keep(ErrAccessInvalid)
	case len(a.Groups) == 0:
		keep(ErrAppGroups)
	case len(a.Groups) > MaxAppGroups:
		keep(ErrAppGroupsLimit)
	}
	if !a.Level.valid() {
		keep(ErrLevelInvalid)
	}
	if a.Fresh < 0 || a.Fresh > MaxFresh {
		keep(ErrFreshInvalid)
	}
	keep(a.Proxy.tidy())
	if a.Client != nil {
		keep(a.Client.tidy())
	}
	return outcomes(wrong...)
}

// validAddress reports whether an address is one that a browser may be sent to: https, or http on loopback.
func validAddress(address string) bool {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxAddress || u.Host == "" || u.User != nil {
		return false
	}
	host, _, ok := fold.Host(u.Host)
	return ok && (u.Scheme == "https" || u.Scheme == "http" && fold.LoopbackHost(host))
}

// clone returns a copy whose lists may be changed.
func (a App) clone() App {
	a.Groups, a.Proxy.Hosts, a.Proxy.Rules = slices.Clone(a.Groups), slices.Clone(a.Proxy.Hosts), slices.Clone(a.Proxy.Rules)
	if a.Client != nil {
		c := *a.Client
		a.Client = &c
	}
	return a
}

// differences returns the settings in which a differs from what it was, with both values.
func (a App) differences(was App) map[string]string {
	all, ours, theirs := map[string]string{}, a.settings(), was.settings()
	for _, one := range []map[string]string{ours, theirs} {
		for name := range one {
			if ours[name] != theirs[name] {
				all[name] = theirs[name] + " → " + ours[name]
			}
		}
	}
	return all
}

// settings returns the settings by name, as events show them.
func (a App) settings() map[string]string {
	all := map[string]string{
		"named": a.Name, "address": a.Address, "colour": a.Colour, "access": string(a.Access), "groups": strings.Join(a.Groups, " "),
		"level": string(a.Level), "fresh": strconv.Itoa(a.Fresh), "hosts": strings.Join(a.Proxy.Hosts, " "),
		"rules": strings.Join(a.Proxy.Rules, "; "), "tokens": strconv.FormatBool(a.Proxy.Tokens), "enabled": strconv.FormatBool(a.Enabled),
	}
	if a.Client != nil {
		a.Client.settings(all)
	}
	return all
}

// manage runs a change that an administrator makes to the workspace, or a command on the host.
func (s *Service) manage(ctx context.Context, by Caller, a access, fn func(Tx) error) error {
	if by.kind == callerConsole {
		return s.write(ctx, fn)
	}
	return s.act(ctx, by, a, func(tx Tx, _ *actor) error { return fn(tx) })
}

// mayManage is MayAct, also for a command on the host.
func (s *Service) mayManage(by Caller, a Action) error {
	if by.kind == callerConsole {
		return nil
	}
	return s.MayAct(by, a)
}
