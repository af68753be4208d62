package web

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// adminPart is a part of the pages for administrators, and the action that a role must allow to open it.
type adminPart struct {
	href    string
	say     text.Message
	may     sallyport.Action
	resells bool // not for a workspace that a reseller created
}

var adminParts = []adminPart{
	{href: overviewPath, say: text.Say("Overview"), may: sallyport.SeePeople},
	{href: usersPath, say: text.Say("Users"), may: sallyport.SeePeople},
	{href: groupsPath, say: text.Say("Groups"), may: sallyport.ManageGroups},
	{href: appsPath, say: text.Say("Apps"), may: sallyport.ManageApps},
	{href: accessControlPath, say: text.Say("Access control"), may: sallyport.SetPolicy},
	{href: brandPath, say: text.Say("Brand"), may: sallyport.SetBrand},
	{href: auditPath, say: text.Say("Audit log"), may: sallyport.ReadAudit},
	{href: outboxPath, say: text.Say("Mail outbox"), may: sallyport.ReadOutbox},
	{href: workspacesPath, say: text.Say("Workspaces"), may: sallyport.ManageWorkspaces, resells: true},
}

// adminNav returns links to the parts that the user may open.
func adminNav(r *http.Request, u sallyport.User) (all []link) {
	for _, p := range adminParts {
		if u.Role.May(p.may) && (!p.resells || by(r).Workspace().Reseller == "") {
			here := r.URL.Path == p.href || p.href != overviewPath && strings.HasPrefix(r.URL.Path, p.href+"/")
			all = append(all, link{Href: p.href, Text: p.say, Current: here})
		}
	}
	return all
}

// personAction is an action on a person, with a page that asks for confirmation first.
type personAction struct {
	path     string
	may      sallyport.Action
	menu     text.Message // in the row menu, and on the button
	title    text.Message
	question func(sallyport.User) text.Message
	danger   bool
	notice   string
	gone     bool // the person no longer exists afterwards
	whole    bool // refused in a session that began with a recovery code, whatever the person's role
	do       func(*sallyport.Service, context.Context, sallyport.Caller, string) error
	refuses  func(sallyport.User) error // the error that do would return for this user; nil: none
	// asks reads the person, or returns the error of do if that depends on more than the user; nil: Person.
	asks func(*sallyport.Service, context.Context, sallyport.Caller, string) (sallyport.User, error)
	fits func(sallyport.User, time.Time) bool // for which of the users that do accepts the menu offers it; nil: all
}

func active(u sallyport.User, _ time.Time) bool { return u.State == sallyport.Active }

func notInvited(u sallyport.User, _ time.Time) bool { return u.State != sallyport.Invited }

var personActions = []personAction{
	{
		path: "resend-invitation", may: sallyport.InvitePeople, menu: text.Say("Send the invitation again"), title: text.Say("Send the invitation again?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("There will be a new invitation for <bdi>{name}</bdi>. The one before stops working.", "name", nameOf(u))
		}, notice: "invited-again",
		do: (*sallyport.Service).ResendInvitation, refuses: sallyport.User.Invitable,
	},
	{
		path: "revoke-invitation", may: sallyport.InvitePeople, menu: text.Say("Revoke the invitation"), title: text.Say("Revoke the invitation?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("The invitation of <bdi>{name}</bdi> stops working, and the account is removed.", "name", nameOf(u))
		}, danger: true,
		notice: "invitation-revoked", gone: true, whole: true, do: (*sallyport.Service).RevokeInvitation, refuses: sallyport.User.Invitable,
	},
	{
		path: "sign-out", may: sallyport.SignOutPeople, menu: text.Say("Sign out everywhere"), title: text.Say("Sign out everywhere?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("All sessions and trusted devices of <bdi>{name}</bdi> end at once.", "name", nameOf(u))
		}, notice: "signed-out-everywhere",
		do: (*sallyport.Service).SignOutEverywhere, fits: active,
	},
	{
		path: "unlock", may: sallyport.UnlockPeople, menu: text.Say("Unlock"), title: text.Say("Unlock this person?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("Wrong passwords and codes that were counted for <bdi>{name}</bdi> are forgotten. Do this only if you have spoken to this person.", "name", nameOf(u))
		},
		notice: "unlocked", do: (*sallyport.Service).Unlock, asks: (*sallyport.Service).MayUnlock, fits: sallyport.User.Unlockable,
	},
	{
		path: "suspend", may: sallyport.SuspendPeople, menu: text.Say("Suspend"), title: text.Say("Suspend this person?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("<bdi>{name}</bdi> is signed out everywhere, and cannot sign in until you restore the account.", "name", nameOf(u))
		}, danger: true,
		notice: "suspended", do: (*sallyport.Service).Suspend, refuses: sallyport.User.Suspendable,
	},
	{
		path: "restore", may: sallyport.SuspendPeople, menu: text.Say("Restore"), title: text.Say("Restore this person?"),
		question: func(u sallyport.User) text.Message {
			if u.Restored() == sallyport.Invited {
				return text.Say("<bdi>{name}</bdi> had not accepted the invitation, and will be invited again. The link in the earlier e-mail no longer works, so send the invitation again afterwards.", "name", nameOf(u))
			}
			return text.Say("<bdi>{name}</bdi> may sign in again, with the same password and authenticator apps as before.", "name", nameOf(u))
		},
		notice: "restored", do: (*sallyport.Service).Restore, refuses: sallyport.User.Restorable,
	},
	{
		path: "delete", may: sallyport.DeletePeople, menu: text.Say("Delete"), title: text.Say("Delete this person?"),
		question: func(u sallyport.User) text.Message {
			return text.Say("The account of <bdi>{name}</bdi> is deleted for good. The audit log keeps the events, but no longer says who they were about. This cannot be undone.", "name", nameOf(u))
		},
		danger: true, notice: "deleted", gone: true, do: (*sallyport.Service).Delete, fits: notInvited,
	},
}

func (a personAction) refusal(u sallyport.User) error {
	if a.refuses == nil {
		return nil
	}
	return a.refuses(u)
}

// target reads the user in the path, and checks beforehand what only the Service can check.
func (a personAction) target(service *sallyport.Service, r *http.Request) (sallyport.User, error) {
	if a.asks != nil {
		return a.asks(service, r.Context(), by(r), r.PathValue("id"))
	}
	p, err := service.Person(r.Context(), by(r), r.PathValue("id"))
	return p.User, err
}

// confirmOn shows the page that asks before the action, or the error that the action would return.
func (s *site) confirmOn(a personAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		u, err := a.target(s.service, r)
		if err != nil {
			return err
		}
		if me, _ := by(r).User(); me.ID == u.ID {
			return sallyport.ErrYourself
		}
		if err := a.refusal(u); err != nil {
			return err
		}
		return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
			page: page{Title: a.title}, Question: a.question(u),
			Button: a.menu, Danger: a.danger, Back: userPath(u.ID),
		})
	}
}

// actOn performs the action.
func (s *site) actOn(a personAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := readForm(w, r); err != nil {
			return err
		}
		id := r.PathValue("id")
		if err := a.do(s.service, r.Context(), by(r), id); err != nil {
			return err
		}
		to := userPath(id)
		if a.gone {
			to = usersPath
		}
		return s.done(w, r, to, s.ofInvited(r, s.mailed(a.notice)))
	}
}

// menuFor returns links to the actions that the caller can perform on u. Denied are those that the current session may
// not perform yet.
func menuFor(c sallyport.Caller, u sallyport.User, now time.Time) (all []link) {
	all = make([]link, 0, 1+len(personActions))
	below := userPath(u.ID) + "/"
	if (u.TwoFactor || u.MustSetUp) && c.Offers(sallyport.ResetTwoFactor, u) {
		all = append(all, link{Href: below + "reset-2fa", Text: text.Say("Reset two-factor authentication"), Denied: c.Withholds(sallyport.ResetTwoFactor, u)})
	}
	if active(u, now) && u.TemporaryEnds.IsZero() && c.Offers(sallyport.ResetPasswords, u) {
		all = append(all, link{Href: below + "reset-password", Text: text.Say("Create a link to a new password"), Denied: c.Withholds(sallyport.ResetPasswords, u)})
	}
	for _, a := range personActions {
		if a.refusal(u) == nil && (a.fits == nil || a.fits(u, now)) && c.Offers(a.may, u) {
			all = append(all, link{Href: below + a.path, Text: a.menu, Denied: c.Withholds(a.may, u) || a.whole && restricted(c)})
		}
	}
	return all
}

// restricted reports whether the caller's session began with a recovery code, and has seen no authenticator since.
func restricted(c sallyport.Caller) bool {
	ses, _ := c.Session()
	return ses.Restricted()
}

// nameOf returns the name of a user on pages: their address if they have no name.
func nameOf(u sallyport.User) string { return cmp.Or(u.Name, u.Address) }
