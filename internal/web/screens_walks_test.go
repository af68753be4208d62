package web_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// walks lead to every page in every state. They use the names of fields, because labels differ by language.
var walks = []func(*shooting){
	(*shooting).door, (*shooting).set, (*shooting).challenged, (*shooting).account, (*shooting).twoFactor,
	(*shooting).approved, (*shooting).owed, (*shooting).codes, (*shooting).tokens, (*shooting).devices, (*shooting).links, (*shooting).required, (*shooting).admin,
	(*shooting).invited, (*shooting).groups, (*shooting).apps, (*shooting).toApps, (*shooting).reset, (*shooting).decided, (*shooting).logged, (*shooting).withoutMail, (*shooting).problems, (*shooting).firstRun,
}

// get opens a page and keeps it.
func (s *shooting) get(name string, v *sallyporttest.Visitor, path string) {
	s.T.Helper()
	if v.Get(path).Status == http.StatusNotFound && path != "/nothing" {
		s.T.Fatalf("%s: there is no page at %s", name, path)
	}
	s.keep(name, v)
}

// post sends a form and keeps the page that shows it again.
func (s *shooting) post(name string, v *sallyporttest.Visitor, path string, f fields) {
	s.T.Helper()
	v.Post(path, f)
	s.keep(name, v)
}

// somebody adds a person with a long name and an authenticator, and signs them in.
func (s *shooting) somebody(address string) (sallyporttest.Person, *sallyporttest.Visitor) {
	p := s.Add(address, sallyport.Member)
	s.Exec("UPDATE users SET name = $1 WHERE id = $2", "Maximiliane Freifrau von Hohenstein-Waldburg", p.ID)
	v := s.Visitor()
	v.Enrol(&p, "Pixel – Google Authenticator")
	return p, v
}

// key gives a person a passkey, and returns its id.
func (s *shooting) key(p sallyporttest.Person) string {
	k := sallyport.Passkey{Workspace: s.Owner.Workspace, User: p.ID, ID: "key_" + p.ID, Name: "iCloud Keychain", CreatedAt: s.Clock.Now()}
	k.Key.ID, k.Key.Public = []byte(p.ID), []byte("key")
	s.Check(s.Store.Write(context.Background(), func(tx sallyport.Tx) error { return tx.InsertPasskey(k) }))
	return k.ID
}

// tokens shows access tokens, without and with an app that accepts them.
func (s *shooting) tokens() {
	ctx := context.Background()
	_, v := s.somebody("tilda@acme.example")
	s.get("tokens-no-app", v, "/account/tokens")
	a := sallyport.App{AppDetails: sallyport.AppDetails{Name: "Wiki of the research department", Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
	a.Proxy.Tokens, a.Proxy.Hosts = true, []string{"https://wiki.acme.example"}
	a, err := s.CreateApp(ctx, s.Console(), a)
	s.Check(err)
	s.get("tokens-none", v, "/account/tokens")
	s.post("tokens-wrong", v, "/account/tokens", fields{"name": "", "app": a.ID, "expires": "yesterday"})
	s.post("token-new", v, "/account/tokens", fields{"name": "Backup script", "app": a.ID, "expires": s.Clock.Now().AddDate(0, 2, 0).Format(time.DateOnly)})
	s.get("tokens", v, "/account/tokens")
	s.get("token-revoke", v, "/account/tokens/"+s.Query(`SELECT id FROM app_tokens`)[0][0]+"/revoke")
	s.Check(s.DeleteApp(ctx, s.Console(), a.ID))
}

func (s *shooting) door() {
	s.SetUpMail()
	v := s.Visitor()
	s.get("sign-in", v, "/sign-in")
	s.post("sign-in-wrong", v, "/sign-in", fields{"email": "mia@acme.example", "password": "wrong"})
	s.get("forgot-no-mail", v, "/forgot")
	s.SetUpMail()
	s.get("forgot", v, "/forgot")
	s.post("forgot-nothing", v, "/forgot", fields{})
	s.Mailer = nil
	v.Post("/forgot", fields{"email": "nobody@acme.example"})
	v.Follow()
	s.keep("forgot-asked", v)
	s.get("help", v, "/help/2fa")
	hasty := s.Visitor().From("198.51.100.7")
	for i := range 20 {
		hasty.Post("/forgot", fields{"email": fmt.Sprintf("n%d@acme.example", i)})
	}
	s.post("too-many", hasty, "/forgot", fields{"email": "n20@acme.example"})
	for range 10 {
		v.Post("/sign-in", fields{"email": "locked@acme.example", "password": "wrong"})
	}
	s.post("sign-in-locked", v, "/sign-in", fields{"email": "locked@acme.example", "password": "wrong"})
}

func (s *shooting) set() {
	const at = "/account/2fa/set-up"
	p := s.Add("sam@acme.example", sallyport.Member)
	v := s.Visitor()
	v.SignIn(p)
	s.get("account-without-2fa", v, "/account")
	s.get("2fa-disabled", v, "/account/2fa")
	s.get("set-up-name", v, at)
	s.post("set-up-name-none", v, at, fields{})
	v.Post(at, fields{"name": "Pixel"})
	v.Follow()
	s.keep("set-up-scan", v)
	s.post("set-up-scan-wrong", v, at, fields{"code": "000000"})
	v.Get(at + "?step=scan")
	var err error
	p.Secret, err = otp.DecodeSecret(v.Page.Key())
	s.Check(err)
	s.post("set-up-clock-off", v, at, fields{"code": p.Code(s.Clock.Now().Add(8 * time.Minute))})
	v.Post(at, fields{"code": p.Code(s.Clock.Now())})
	v.Follow()
	s.keep("set-up-codes", v)
	f := v.Page.Form("saved")
	v.PostValues(f.Action, f.Values)
	s.keep("set-up-codes-not-saved", v)
	f.Values.Set("saved", "yes")
	v.PostValues(f.Action, f.Values)
	v.Follow()
	s.keep("set-up-finished", v)
	v.Post(at, fields{"name": "Tablet"})
	s.Clock.Advance(15 * time.Minute)
	s.post("set-up-ended", v, at, fields{"code": "123456"})
}

func (s *shooting) challenged() {
	s.Exec("UPDATE policies SET trusted_device_days = 30, version = version + 1")
	p, _ := s.somebody("max@acme.example")
	v := s.Visitor()
	v.GivePassword(p)
	v.Follow()
	s.keep("challenge", v)
	s.post("challenge-wrong", v, "/sign-in/2fa", fields{"code": "000000"})
	s.post("challenge-clock-off", v, "/sign-in/2fa", fields{"code": p.Code(s.Clock.Now().Add(8 * time.Minute))})
	other := s.Visitor()
	other.SignIn(p)
	s.post("challenge-used-code", v, "/sign-in/2fa", fields{"code": p.Code(s.Clock.Now())})
	s.get("recovery", v, "/sign-in/2fa/recovery")
	s.post("recovery-wrong", v, "/sign-in/2fa/recovery", fields{"recovery_code": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"})
	v.Post("/sign-in/2fa/recovery", fields{"recovery_code": p.RecoveryCodes[0]})
	v.Follow()
	s.keep("after-recovery", v)
	s.get("account-after-recovery", v, "/account")
	late := s.Visitor()
	late.GivePassword(p)
	s.Clock.Advance(11 * time.Minute)
	late.Get("/sign-in/2fa")
	late.Follow()
	s.keep("sign-in-expired", late)
}

func (s *shooting) account() {
	_, v := s.somebody("ada@acme.example")
	s.get("account", v, "/account")
	s.post("account-name-refused", v, "/account", fields{"name": ""})
	v.Post("/account", fields{"name": "Ada"})
	v.Follow()
	s.keep("account-saved", v)
	s.get("password", v, "/account/password")
	s.post("password-refused", v, "/account/password", fields{"current_password": "wrong", "new_password": "short"})
	s.get("email-no-mail", v, "/account/email")
	s.SetUpMail()
	s.get("email", v, "/account/email")
	s.post("email-refused", v, "/account/email", fields{"email": "no address"})
	s.Mailer = nil
	v.Post("/account/email", fields{"email": "ada@new.example"})
	v.Follow()
	s.keep("email-asked", v)
	s.get("email-confirm", v, s.MailedLink("email.confirm", "ada@new.example").Path)
	v.Post(s.MailedLink("email.confirm", "ada@new.example").Path, confirmed)
	v.Follow()
	s.keep("email-changed", v)
	s.get("email-undo", v, s.MailedLink("email.undo", "ada@acme.example").Path)
	s.get("activity", v, "/account/activity")
	s.get("sign-out", v, "/sign-out")
	s.Clock.Advance(15 * time.Minute)
	v.Get("/account/2fa/disable")
	v.Follow()
	s.keep("step-up", v)
	s.post("step-up-wrong", v, v.Page.Target, fields{"code": "000000"})
	plain := s.Add("pat@acme.example", sallyport.Member)
	w := s.Visitor()
	w.SignIn(plain)
	s.Clock.Advance(15 * time.Minute)
	w.Get("/account/2fa/set-up")
	w.Follow()
	s.keep("step-up-password", w)
}

func (s *shooting) twoFactor() {
	p, v := s.somebody("tim@acme.example")
	s.get("2fa-enabled", v, "/account/2fa")
	one := "/account/2fa/authenticators/" + s.Query("SELECT id FROM authenticators WHERE user_id = $1", p.ID)[0][0]
	s.get("rename", v, one+"/rename")
	s.post("rename-refused", v, one+"/rename", fields{"name": ""})
	s.get("remove-the-only-one", v, one+"/remove")
	s.get("change", v, "/account/2fa/change")
	v.Enrol(&p, "Work phone, blue, with the cracked screen")
	s.get("2fa-two", v, "/account/2fa")
	s.get("remove", v, one+"/remove")
	s.get("change-one-of-two", v, "/account/2fa/change")
	s.get("passkey-new", v, "/account/2fa/passkeys/new")
	key := "/account/2fa/passkeys/" + s.key(p)
	s.get("2fa-passkey", v, "/account/2fa")
	s.get("passkey-rename", v, key+"/rename")
	s.get("passkey-remove", v, key+"/remove")
	s.get("disable", v, "/account/2fa/disable")
	s.Exec("UPDATE users SET password_long = 0 WHERE id = $1", p.ID)
	s.get("password-first", v, "/account/2fa/disable")
	s.Exec("UPDATE users SET password_long = 1 WHERE id = $1", p.ID)
	v.Post("/account/2fa/disable", nil)
	v.Follow()
	s.keep("disabled", v)
}

// approved asks for approval of a sign-in on another device.
func (s *shooting) approved() {
	s.Exec("UPDATE policies SET approvals = 1, version = version + 1")
	p, v := s.somebody("ann@acme.example")
	s.get("approvals-empty", v, "/account/approvals")
	waiting := s.Visitor()
	waiting.GivePassword(p)
	s.get("challenge-approval", waiting, "/sign-in/2fa")
	waiting.Post("/sign-in/2fa/approve", fields{})
	s.get("approve", waiting, "/sign-in/2fa/approve")
	s.get("approval-banner", v, "/account")
	s.get("approvals", v, "/account/approvals")
	action := v.Page.Form("number").Action
	s.post("approvals-no-number", v, action, fields{"answer": "approve", "number": ""})
	s.post("approvals-wrong", v, action, fields{"answer": "approve", "number": "09"})
	s.get("approve-refused", waiting, "/sign-in/2fa/approve")
	s.Exec("UPDATE policies SET approvals = 0, version = version + 1")
}

// owed requires a passkey of people, of whom one has none and one has signed in without it.
func (s *shooting) owed() {
	p, v := s.somebody("otto@acme.example")
	s.Exec("UPDATE policies SET phishing_resistant = 'everyone', version = version + 1")
	s.get("passkey-owed", v, "/account/2fa/passkeys/new")
	s.key(p)
	s.Exec("UPDATE users SET two_factor = 2 WHERE id = $1", p.ID)
	s.get("passkey-owed-has-one", v, "/account/2fa/passkeys/new")
	s.get("passkey-owed-step-up", v, "/step-up?to=/account")
	s.Exec("UPDATE policies SET phishing_resistant = 'optional', version = version + 1")
}

func (s *shooting) codes() {
	p, v := s.somebody("cleo@acme.example")
	s.get("recovery-codes", v, "/account/2fa/recovery-codes")
	s.get("regenerate", v, "/account/2fa/recovery-codes/regenerate")
	s.Exec("UPDATE policies SET recovery_code_mode = $1, version = version + 1", sallyport.RecoveryOnce)
	v.Post("/account/2fa/recovery-codes/regenerate", nil)
	v.Follow()
	s.keep("codes-once", v)
	s.get("codes-not-saved", v, "/account")
	s.Exec("UPDATE users SET recovery_left = 1, recovery_saved_at = $1 WHERE id = $2", s.Clock.Now().UnixMilli(), p.ID)
	s.get("few-codes-left", v, "/account")
}

func (s *shooting) devices() {
	p, v := s.somebody("dora@acme.example")
	s.get("trusted-devices-none", v, "/account/trusted-devices")
	for range 3 {
		v = s.Visitor().From("2001:db8:1234:5678:9abc:def0:1234:5678")
		v.GivePassword(p)
		v.Post("/sign-in/2fa", fields{"code": p.Code(s.Clock.Now()), "trust": "yes"})
		s.Clock.Advance(time.Minute)
	}
	s.get("trusted-devices", v, "/account/trusted-devices")
	one := s.Query("SELECT id FROM trusted_devices WHERE user_id = $1", p.ID)[0][0]
	s.get("trusted-device-remove", v, "/account/trusted-devices/"+one+"/remove")
	s.get("trusted-devices-remove-all", v, "/account/trusted-devices/remove-all")
	s.get("sign-out-trusted", v, "/sign-out")
	s.get("sessions", v, "/account/sessions")
	one = s.Query("SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at", p.ID)[0][0]
	s.get("session-end", v, "/account/sessions/"+one+"/end")
	s.get("sessions-end-others", v, "/account/sessions/end-others")
}

func (s *shooting) links() {
	p := s.Add("lea@acme.example", sallyport.Member)
	v := s.Visitor()
	link := requestReset(s.Site, p.Address)
	s.get("reset", v, link)
	s.post("reset-refused", v, link, fields{"new_password": "short"})
	v.Post(link, fields{"new_password": newPassword})
	v.Follow()
	s.keep("reset-done", v)
	s.get("reset-ended", v, link)
	t := s.Add("tom@acme.example", sallyport.Member)
	s.Exec("UPDATE users SET temporary_ends = $1 WHERE id = $2", s.Clock.Now().Add(time.Hour).UnixMilli(), t.ID)
	v.GivePassword(t)
	v.Follow()
	s.keep("choose-password", v)
	s.post("choose-password-refused", v, "/sign-in/password", fields{"new_password": "short"})
	alone := s.Add("ida@acme.example", sallyport.Member)
	s.Exec("UPDATE users SET password_long = 0 WHERE id = $1", alone.ID)
	v.GivePassword(alone)
	v.Follow()
	s.keep("choose-password-longer", v)
}

func (s *shooting) required() {
	_, v := s.somebody("rita@acme.example")
	forced := s.Add("fay@acme.example", sallyport.Member)
	already := s.Visitor()
	already.SignIn(forced)
	s.Exec("UPDATE policies SET require_2fa = $1, version = version + 1", sallyport.RequireEveryone)
	s.get("2fa-required", v, "/account/2fa")
	s.get("disable-refused", v, "/account/2fa/disable")
	already.Get("/account")
	already.Follow()
	s.keep("set-up-required", already)
	w := s.Visitor()
	w.GivePassword(forced)
	w.Follow()
	s.keep("sign-in-set-up", w)
	s.Exec("UPDATE policies SET require_2fa = $1, version = version + 1", sallyport.RequireOptional)
}

func (s *shooting) admin() {
	v := s.Visitor()
	v.Enrol(&s.Owner, "Pixel – Google Authenticator")
	s.overview(v)
	s.get("users", v, "/admin/users")
	s.menu("users-bulk-menu", v, "With the selected people")
	s.menu("account-menu", v, "Your account, Olive Owner")
	s.get("users-by-2fa", v, "/admin/users?sort=-two_factor&q=max")
	s.menu("users-row-menu", v, "Actions for Maximiliane Freifrau von Hohenstein-Waldburg")
	s.get("users-none", v, "/admin/users?q=nobody-of-that-name")
	locked, strangers := s.Add("lou@acme.example", sallyport.Member), s.Visitor()
	for range 10 {
		strangers.Post("/sign-in", fields{"email": locked.Address, "password": "wrong"})
	}
	s.get("users-locked", v, "/admin/users?state=locked")
	s.get("user-locked", v, "/admin/users/"+locked.ID)
	s.get("user-security-locked", v, "/admin/users/"+locked.ID+"/security")
	s.get("user-new", v, "/admin/users/new")
	s.post("user-new-refused", v, "/admin/users/new", fields{"email": "no address", "name": "", "role": "member"})
	mia, _ := s.somebody("mona@acme.example")
	one := "/admin/users/" + mia.ID
	s.get("user", v, one)
	s.get("user-security", v, one+"/security")
	s.get("user-reset-2fa", v, one+"/reset-2fa")
	s.get("user-suspend", v, one+"/suspend")
	s.get("user-edit", v, one+"/edit")
	s.get("user-password-link", v, one+"/reset-password")
	session := s.Query("SELECT id FROM sessions WHERE user_id = $1", mia.ID)[0][0]
	s.get("user-session-end", v, one+"/sessions/"+session+"/end")
	s.get("users-new", v, "/admin/users/new/several")
	s.post("users-new-report", v, "/admin/users/new/several", fields{"emails": "no address\nNoa Levi <noa@acme.example>", "role": "member"})
	ivo := s.Add("ivo@acme.example", sallyport.Member)
	s.Exec("UPDATE users SET state = 'suspended', password_at = 0 WHERE id = $1", ivo.ID)
	s.get("user-restore-invited", v, "/admin/users/"+ivo.ID+"/restore")
	s.get("users-bulk", v, "/admin/users/bulk/suspend?id="+mia.ID+"&id="+ivo.ID)
	s.get("user-refused", v, "/admin/users/"+ivo.ID+"/suspend")
	s.get("access-control", v, "/admin/access-control")
	s.get("brand", v, "/admin/brand")
	s.get("workspaces-none", v, workspaces)
	s.post("workspaces-refused", v, workspaces, fields{"workspace": "", "host": "https://globex.example/", "email": "gina"})
	for i, company := range []string{"Globex & Sons", "Initech", "Überlandwerke Hintertupfingen"} {
		v.Post(workspaces, fields{"workspace": company, "host": fmt.Sprintf("login.company-%d.localhost", i), "name": "Gina Grant", "email": "gina@globex.example"})
		s.Clock.Advance(time.Second)
	}
	v.Follow()
	s.keep("workspaces", v)
	s.get("outbox", v, "/admin/outbox")
}

// overview shows the overview with a history of 12 weeks.
func (s *shooting) overview(v *sallyporttest.Visitor) {
	today := s.Clock.Now().Unix() / 86400
	for ago := int64(84); ago > 0; ago-- {
		people := 1240 - 3*ago
		s.Exec("INSERT INTO adoption (workspace_id, day, people, enabled) VALUES ($1, $2, $3, $4)",
			s.Owner.Workspace, today-ago, people, people*(84-ago+ago%7)/100)
	}
	s.get("overview", v, "/admin")
	s.get("reminders", v, "/admin/reminders")
	v.Post("/admin/reminders", nil)
	v.Follow()
	s.keep("overview-reminded", v)
	s.get("reminders-none", v, "/admin/reminders")
}

// withoutMail is what differs where no mail server is set up.
func (s *shooting) withoutMail() {
	v := s.owners()
	s.Mailer = nil
	s.get("overview-without-mail", v, "/admin")
	s.get("user-new-without-mail", v, "/admin/users/new")
	s.get("users-new-without-mail", v, "/admin/users/new/several")
	v.Post("/admin/users/new", fields{"email": "nils@acme.example", "name": "Nils Ngo", "role": "member"})
	v.Follow()
	s.keep("user-invited-without-mail", v)
	s.get("outbox-without-mail", v, "/admin/outbox")
	mail := s.Query("SELECT id FROM outbox WHERE kind = 'invitation' AND address = 'nils@acme.example'")[0][0]
	s.get("outbox-mail", v, "/admin/outbox/"+mail)
	s.get("email-without-mail", v, "/account/email")
	guest := s.Visitor()
	s.get("forgot-without-mail", guest, "/forgot")
	guest.Post("/forgot", fields{"email": "nobody@acme.example"})
	guest.Follow()
	s.keep("forgot-asked-without-mail", guest)
	s.SetUpMail()
}

// full is a database on a full disk.
type full struct{ sallyport.Store }

func (full) Write(context.Context, func(sallyport.Tx) error) error { return sallyport.ErrUnavailable }

func (s *shooting) problems() {
	v := s.Visitor()
	s.get("not-found", v, "/nothing")
	v.Send(sallyporttest.Request{Method: http.MethodPost, Target: "/sign-in", Body: "email=x", Header: http.Header{
		"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"application/x-www-form-urlencoded"},
	}})
	s.keep("forbidden", v)
	v.Send(sallyporttest.Request{Method: http.MethodGet, Target: "/sign-in", Host: "elsewhere.example"})
	s.keep("unknown-host", v)
	s.get("first-run-over", v, "/first-run/over")
	broken := *s.Service
	closed, err := sqlstore.Open(context.Background(), s.Database)
	s.Check(err)
	s.Check(closed.Close())
	broken.Store = closed
	v.Through(s.Over(sallyport.New(broken)).In(s.lang))
	s.get("fault", v, "/sign-in")
	broken.Store = full{s.Store}
	v.Through(s.Over(sallyport.New(broken)).In(s.lang))
	s.post("unavailable", v, "/sign-in", fields{"email": "mia@acme.example", "password": "wrong"})
}

// firstRun shows a new installation, which has no workspace yet.
func (s *shooting) firstRun() {
	store, err := sqlstore.Open(context.Background(), filepath.Join(s.T.TempDir(), "empty.db"))
	s.Check(err)
	s.T.Cleanup(func() { store.Close() })
	empty := sallyport.New(sallyport.Service{
		Store: store, Keys: s.Keys, Now: s.Clock.Now, Hasher: passwd.NewHasher(1, 4), Hash: sallyporttest.Cheap, URL: s.URL, Log: s.Log, Paths: s.Paths,
	})
	s.Check(empty.Start(context.Background()))
	token, err := empty.OpenFirstRun(context.Background())
	s.Check(err)
	v := s.Visitor().Through(s.Over(empty).In(s.lang))
	s.get("first-run", v, "/first-run/"+token.Reveal())
	s.post("first-run-refused", v, "/first-run/"+token.Reveal(), fields{"workspace": "Acme", "password": "short"})
	s.get("not-set-up", v, "/sign-in")
}
