package web_test

import (
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// owners returns a new visitor of the owner, who already has an authenticator.
func (s *shooting) owners() *sallyporttest.Visitor {
	s.Clock.Advance(time.Minute) // so that the code is unused
	v := s.Visitor()
	v.SignIn(s.Owner)
	return v
}

// invited follows an invitation from the form to the person who gets it.
func (s *shooting) invited() {
	v := s.owners()
	v.Post("/admin/users/new", fields{"email": "nia@acme.example", "name": "Nia Ngo", "role": "admin"})
	v.Follow()
	s.keep("user-invited", v)
	s.Exec("UPDATE outbox SET state = 'sent' WHERE address LIKE 'dora@%'")
	s.Exec("UPDATE outbox SET state = 'failed', error = '550 5.1.1 mailbox unavailable' WHERE address LIKE 'mona@%'")
	s.get("outbox-states", v, "/admin/outbox")
	s.get("outbox-failed", v, "/admin/outbox?state=failed")
	guest, link := s.Visitor(), s.MailedLink("invitation", "nia@acme.example").Path
	s.get("invitation", guest, link)
	s.post("invitation-refused", guest, link, fields{"name": "Nia Ngo", "new_password": "short"})
	guest.Post(link, fields{"name": "Nia Ngo", "new_password": newPassword})
	guest.Follow()
	s.keep("invitation-accepted", guest)
	s.Exec("UPDATE policies SET invite_method = $1, version = version + 1", sallyport.InviteByPassword)
	s.get("user-new-temporary", v, "/admin/users/new")
	s.Exec("UPDATE policies SET invite_method = $1, version = version + 1", sallyport.InviteByLink)
}

// groups shows the groups of the workspace, from the first one to the last.
func (s *shooting) groups() {
	const at = "/admin/groups"
	v := s.owners()
	s.get("groups-none", v, at)
	s.get("group-new", v, at+"/new")
	s.post("group-new-refused", v, at+"/new", fields{"name": "Sales, Europe"})
	v.Post(at+"/new", fields{"name": "Finance and accounting"})
	v.Follow()
	s.keep("group-empty", v)
	one := v.Page.Target
	for _, name := range []string{"Operations", "Überlandwerke Hintertupfingen – Bereitschaftsdienst Nord und Süd"} {
		v.Post(at+"/new", fields{"name": name})
	}
	s.get("group-add", v, one+"/add")
	ids := s.Query("SELECT id FROM users WHERE address LIKE 'm%@acme.example' ORDER BY address")
	for _, row := range ids {
		v.Post(one+"/add", fields{"user": row[0]})
	}
	s.get("group-add-found", v, one+"/add?q=acme")
	s.get("group-add-nobody", v, one+"/add?q=nobody-of-that-name")
	v.Post(one+"/add", fields{"user": s.Owner.ID})
	v.Follow()
	s.keep("group", v)
	s.get("group-none-found", v, one+"?q=nobody-of-that-name")
	id := one[len(at)+1:]
	details := sallyport.AppDetails{Name: "Handbook", Access: sallyport.AccessGroups, Groups: []string{id}, Level: sallyport.LevelPolicy}
	_, err := s.CreateApp(s.T.Context(), s.Console(), sallyport.App{AppDetails: details})
	s.Check(err)
	other := s.Query("SELECT id FROM groups WHERE name = 'Operations'")[0][0]
	details.Name, details.Groups = "Project board", []string{id, other}
	_, err = s.CreateApp(s.T.Context(), s.Console(), sallyport.App{AppDetails: details})
	s.Check(err)
	s.get("group-opens", v, one)
	s.post("group-refused", v, one, fields{"name": "operations"})
	s.get("group-remove", v, one+"/remove?user="+ids[0][0])
	s.get("group-remove-nobody", v, at+"/"+other+"/remove?user="+ids[0][0])
	s.get("group-delete", v, one+"/delete")
	s.get("groups", v, at)
	s.get("user-groups", v, "/admin/users/"+ids[0][0]+"/groups")
	s.get("user-groups-none", v, "/admin/users/"+s.Add("gus@acme.example", sallyport.Member).ID+"/groups?q=nothing")
	s.get("user-in-groups", v, "/admin/users/"+ids[0][0])
	s.get("users-of-a-group", v, "/admin/users?group="+id)
	s.get("users-of-no-group", v, "/admin/users?group=grp_0")
	owner := s.Owner
	w := recovering(s.Site, &owner)
	s.Owner.RecoveryCodes = owner.RecoveryCodes
	s.get("group-restricted", w, one)
}

// reset follows a person who lost the phone, and what an administrator does about it.
func (s *shooting) reset() {
	v := s.owners()
	p, lost := s.somebody("remy@acme.example")
	path := "/admin/users/" + p.ID
	s.post("user-reset-2fa-refused", v, path+"/reset-2fa", fields{"reason": ""})
	v.Post(path+"/reset-2fa", fields{"reason": "The phone fell into the Rhine; recognised by voice."})
	s.keep("user-set-up-code", v)
	lost.GivePassword(p)
	lost.Follow()
	s.post("set-up-after-reset-wrong", lost, "/sign-in/set-up", fields{"name": "Pixel", "set_up_code": "AAAAA"})
	s.get("users-set-up-required", v, "/admin/users?two_factor=required&role=member&state=active&sort=address")
	sue := "/admin/users/" + s.Add("sue@acme.example", sallyport.Member).ID
	v.Post(sue+"/suspend", nil)
	v.Follow()
	s.keep("user-suspended", v)
	s.get("user-delete", v, sue+"/delete")
	dora := s.Query("SELECT id FROM users WHERE address = 'dora@acme.example'")[0][0]
	s.get("user-security-devices", v, "/admin/users/"+dora+"/security")
	m := s.Add("manny@acme.example", sallyport.Manager)
	managers := s.Visitor()
	managers.SignIn(m)
	s.get("user-security-for-a-manager", managers, "/admin/users/"+dora+"/security")
	s.get("not-for-a-manager", managers, "/admin/access-control")
}

// decided follows a change of access control, from the form to what others see of it.
func (s *shooting) decided() {
	const at = "/admin/access-control"
	v, other := s.owners(), s.Visitor()
	p := s.Add("otis@acme.example", sallyport.Member)
	other.SignIn(p)
	stale := v.Get(at).Form("version")
	v.Edit(at, fields{"trusted_device_days": "0", "recovery_code_mode": sallyport.RecoveryRolling})
	stale.Values.Set("recovery_code_count", "12")
	v.PostValues(stale.Action, stale.Values)
	s.keep("access-control-moved", v)
	s.post("access-control-refused", v, at, fields{"require_2fa": "admins", "required_from": "tomorrow", "trusted_device_days": "100", "recovery_code_count": "3"})
	alone := s.Add("lena@acme.example", sallyport.Admin)
	fresh := s.Visitor()
	fresh.SignIn(alone)
	s.get("access-control-own-first", fresh, at)
	f := v.Get(at).Form("require_2fa")
	f.Values.Set("require_2fa", sallyport.RequireEveryone)
	f.Values.Set("required_from", s.Clock.Now().AddDate(0, 0, 14).Format("2006-01-02"))
	v.PostValues(f.Action, f.Values)
	s.keep("access-control-confirm", v)
	confirm := v.Page.Form("confirm")
	v.PostValues(confirm.Action, confirm.Values)
	s.get("banner-until-the-day", other, "/account")
	s.Exec("UPDATE policies SET require_2fa = $1, required_from = 0, version = version + 1", sallyport.RequireOptional)
	s.decidedOnPasskeys(v, other)
}

// decidedOnPasskeys requires a passkey of everyone, in two weeks.
func (s *shooting) decidedOnPasskeys(v, other *sallyporttest.Visitor) {
	s.Exec("UPDATE users SET two_factor = 2 WHERE id = $1", s.Owner.ID)
	f := v.Get("/admin/access-control").Form("require_2fa")
	f.Values.Set("phishing_resistant", sallyport.RequireEveryone)
	f.Values.Set("phishing_resistant_from", s.Clock.Now().AddDate(0, 0, 14).Format("2006-01-02"))
	v.PostValues(f.Action, f.Values)
	s.keep("access-control-passkey-confirm", v)
	confirm := v.Page.Form("confirm")
	v.PostValues(confirm.Action, confirm.Values)
	s.get("access-control-passkey-pending", v, "/admin/access-control")
	s.get("banner-passkey-until-the-day", other, "/account")
	s.Exec("UPDATE policies SET phishing_resistant = 'optional', phishing_resistant_from = 0, version = version + 1")
	s.Exec("UPDATE users SET two_factor = 1 WHERE id = $1", s.Owner.ID)
}

// logged shows the audit log after all of that, and then the brand.
func (s *shooting) logged() {
	v := s.owners()
	s.get("audit", v, "/admin/audit")
	s.get("audit-filtered", v, "/admin/audit?result=refused&from=2026-01-01&to=2027-12-31&address=127.0.0.1")
	mona := s.Query("SELECT id FROM users WHERE address = 'mona@acme.example'")[0][0]
	s.get("audit-person", v, "/admin/audit?person="+mona)
	s.post("brand-refused", v, "/admin/brand", fields{"name": "Acme", "colour": "purple"})
	v.Post("/admin/brand", fields{"name": "Acme Payroll & Sons", "colour": "#6d28d9"})
	v.Follow()
	s.keep("brand-set", v)
	s.get("sign-in-branded", s.Visitor(), "/sign-in")
}
