package web

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// A request that has to wait is parked: with the session, if a step-up interrupts it, or in a cookie, if its session has
// ended.

// action is a page that a step-up may interrupt: what it is for, and what happens to its form.
type action struct {
	say       text.Message
	confirmed bool     // its post was confirmed on a page that asks, so it is performed after the step-up
	asks      bool     // its page asks about some posts; such a post was confirmed if the form has confirmField
	fields    []string // the fields of its form that are kept
	repeats   []string // those of them that may occur more than once, with values without spaces
	shows     bool     // its page may be opened with less than its form needs: say is only for the form
}

// confirmField says, in the form of an action that asks about some posts, that the user has confirmed this one.
const confirmField = "confirm"

// actions are these pages, and others whose forms are kept if the session has ended, by their path in the route table.
var actions = map[string]action{
	accountPath: {fields: []string{"name"}},
	"/account/2fa/authenticators/{id}/rename": {fields: []string{"name"}},
	"/account/2fa":                            {say: text.Say("Two-factor authentication")},
	"/account/2fa/set-up":                     {say: text.Say("Set up an authenticator app"), fields: []string{"app", "name"}},
	newPasskeyPath:                            {say: text.Say("Add a passkey"), fields: []string{"name"}},
	"/account/2fa/passkeys/{id}/rename":       {fields: []string{"name"}},
	"/account/2fa/passkeys/{id}/remove":       {say: text.Say("Remove a passkey"), confirmed: true},
	"/account/2fa/change":                     {say: text.Say("Change authenticator app"), fields: []string{"app", "name", "replaces"}},
	"/account/2fa/authenticators/{id}/remove": {say: text.Say("Remove an authenticator app"), confirmed: true},
	approvalsPath + "/{id}":                   {say: text.Say("Approve a sign-in")},
	tokensPath:                                {say: text.Say("Create an access token"), fields: []string{"name", "app", "expires"}, shows: true},
	tokensPath + "/{id}/revoke":               {say: text.Say("Revoke an access token"), confirmed: true},
	afterRecoveryPath:                         {say: text.Say("Lift the restriction of this session")},
	"/account/2fa/disable":                    {say: text.Say("Disable two-factor authentication"), confirmed: true},
	"/account/2fa/recovery-codes":             {say: text.Say("Show recovery codes")},
	"/account/2fa/recovery-codes.txt":         {say: text.Say("Show recovery codes")},
	"/account/2fa/recovery-codes/regenerate":  {say: text.Say("Make new recovery codes"), confirmed: true},
	"/account/password":                       {say: text.Say("Change your password")},
	"/account/email":                          {say: text.Say("Change your e-mail address"), fields: []string{"email"}},
	"/account/trusted-devices/{id}/remove":    {say: text.Say("Remove a trusted device"), confirmed: true},
	"/account/trusted-devices/remove-all":     {say: text.Say("Remove all trusted devices"), confirmed: true},

	accessControlPath: {say: text.Say("Change access control"), asks: true, fields: append([]string{"version"}, settingFields...)},

	groupsPath + "/new":                       {say: text.Say("Add a group"), fields: []string{"name"}},
	groupsPath + "/{id}":                      {say: text.Say("Rename a group"), fields: []string{"name"}, shows: true},
	groupsPath + "/{id}/add":                  {say: text.Say("Add a person to a group"), confirmed: true, fields: memberFields, shows: true},
	groupsPath + "/{id}/remove":               {say: text.Say("Remove a person from a group"), confirmed: true, fields: memberFields, shows: true},
	groupsPath + "/{id}/delete":               {say: text.Say("Delete a group"), confirmed: true, shows: true},
	appsPath + "/new":                         {say: text.Say("Connect an app"), fields: newAppFields},
	appsPath + "/{id}":                        {say: text.Say("Change an app"), fields: appFields, repeats: []string{"group"}},
	appsPath + "/{id}/proxy":                  {say: text.Say("Change how an app is connected"), fields: proxyFields},
	appsPath + "/{id}/openid":                 {say: text.Say("Change how an app is connected"), fields: clientFields},
	appsPath + "/{id}/openid/new-secret":      {say: text.Say("Make a secret for an app"), confirmed: true},
	appsPath + "/{id}/openid/disconnect":      {say: text.Say("Disconnect an app from OpenID Connect"), confirmed: true},
	appsPath + "/{id}/openid/{secret}/revoke": {say: text.Say("Revoke a secret of an app"), confirmed: true},
	appsPath + "/{id}/disable":                {say: text.Say("Disable an app"), confirmed: true},
	appsPath + "/{id}/test":                   {say: text.Say("Test an app"), confirmed: true},
	appsPath + "/{id}/enable":                 {say: text.Say("Enable an app"), confirmed: true},
	appsPath + "/{id}/delete":                 {say: text.Say("Delete an app"), confirmed: true},

	devicePath:   {say: text.Say("Connect a device"), fields: []string{"user_code"}, shows: true},
	continuePath: {say: text.Say("Go on to an app")},

	brandPath:      {say: text.Say("Change the brand"), fields: []string{"name", "colour"}},
	workspacesPath: {say: text.Say("Create a workspace"), fields: workspaceFields},

	firstStepsPath: {say: text.Say("Tick off a step"), confirmed: true, fields: []string{"step"}},

	remindersPath: {say: text.Say("Send a reminder"), confirmed: true},

	outboxPath + "/send-again":      {say: text.Say("Send failed e-mails again"), confirmed: true},
	outboxPath + "/{id}/send-again": {say: text.Say("Send an e-mail again"), confirmed: true},
	outboxPath + "/{id}":            {say: text.Say("Read an invitation")},

	"/admin/users/new":                                  {say: text.Say("Invite a person"), fields: []string{"email", "name", "role"}},
	"/admin/users/new/several":                          {say: text.Say("Invite several people"), fields: []string{"emails", "role"}},
	"/admin/users/bulk/remind":                          {say: text.Say("Send a reminder to several people"), confirmed: true, fields: bulkFields},
	"/admin/users/bulk/sign-out":                        {say: text.Say("Sign several people out everywhere"), confirmed: true, fields: bulkFields},
	"/admin/users/bulk/suspend":                         {say: text.Say("Suspend several people"), confirmed: true, fields: bulkFields},
	"/admin/users/bulk/restore":                         {say: text.Say("Restore several people"), confirmed: true, fields: bulkFields},
	"/admin/users/{id}":                                 {say: text.Say("Change a person's role"), fields: []string{"role"}, shows: true},
	"/admin/users/{id}/edit":                            {say: text.Say("Change a person's name or e-mail address"), fields: []string{"name", "email"}},
	"/admin/users/{id}/sessions/{session}/end":          {say: text.Say("End a person's session"), confirmed: true},
	"/admin/users/{id}/trusted-devices/{device}/remove": {say: text.Say("Remove a person's trusted device"), confirmed: true},
	"/admin/users/{id}/reset-2fa":                       {say: text.Say("Reset two-factor authentication"), confirmed: true, fields: []string{"reason"}},
	"/admin/users/{id}/reset-password":                  {say: text.Say("Create a link to a new password"), confirmed: true},
	"/admin/users/{id}/suspend":                         {say: text.Say("Suspend a person"), confirmed: true},
	"/admin/users/{id}/restore":                         {say: text.Say("Restore a person"), confirmed: true},
	"/admin/users/{id}/unlock":                          {say: text.Say("Unlock a person"), confirmed: true},
	"/admin/users/{id}/sign-out":                        {say: text.Say("Sign a person out everywhere"), confirmed: true},
	"/admin/users/{id}/delete":                          {say: text.Say("Delete a person"), confirmed: true},
	"/admin/users/{id}/resend-invitation":               {say: text.Say("Send an invitation again"), confirmed: true},
	"/admin/users/{id}/revoke-invitation":               {say: text.Say("Revoke an invitation"), confirmed: true},
}

// keptFields returns the fields of a form that are kept while the user confirms their identity. These are never
// passwords or codes. The values of one that was repeated are separated by spaces.
func keptFields(a action, f form) map[string]string {
	kept := map[string]string{}
	for _, name := range a.fields {
		if f.Has(name) {
			kept[name] = strings.Join(f.All(name), " ")
		}
	}
	return kept
}

// filled returns what was entered in the form of this page before a step-up or the end of the session interrupted it,
// to show it again. After the end of a session, it is returned only once.
func (s *site) filled(w http.ResponseWriter, r *http.Request) form {
	entered := s.interruptedForm(r, r.URL.Path)
	if secret := s.secret(r, formCookie); secret != "" {
		if kept := s.service.KeptForm(by(r), secret, r.URL.Path); kept != nil {
			entered = kept
			s.edge.ClearCookie(w, formCookie)
		}
	}
	values := url.Values{}
	for name, value := range entered {
		values.Set(name, value)
	}
	return form{Values: values}
}

// interruptedForm returns what was entered in the form of a page when a step-up interrupted it, or nil.
func (s *site) interruptedForm(r *http.Request, path string) map[string]string {
	if p, found := s.service.ParkedFor(by(r), path); found && !p.Confirmed {
		return p.Fields
	}
	return nil
}

// formCookie contains a form that arrived after the session had ended, sealed, until its user has signed in again.
const formCookie = "form"

// keepForm stores what was entered in a form in a cookie, except passwords and codes. It ignores anything that is not a
// form.
func (s *site) keepForm(w http.ResponseWriter, r *http.Request) error {
	a := actions[s.routed(http.MethodPost, r.URL.Path)]
	f, err := readForm(w, r, a.repeats...)
	if err != nil {
		return nil
	}
	p := sallyport.Parked{Path: r.URL.Path, Fields: keptFields(a, f)}
	secret, err := s.service.KeepForm(by(r), p)
	if err == nil && secret != "" {
		s.edge.SetCookie(w, formCookie, secret.Reveal(), sallyport.FormLimit)
	}
	return err
}

// resume performs the parked request, which was already confirmed. It sends the original post through the route table
// again, with the session's new secret, so that it is authorised like any other.
func (s *site) resume(w http.ResponseWriter, r *http.Request, token sallyport.Secret, q form) error {
	r = r.Clone(context.WithValue(r.Context(), renewedKey{}, token))
	c, err := s.arrive(r)
	if err != nil {
		return err
	}
	to, _, _ := strings.Cut(q.Get("to"), "?")
	p, found, err := s.service.TakeConfirmed(r.Context(), c, q.Get("parked"), to)
	if err != nil {
		return err
	}
	if !found {
		return s.back(w, r, q.Get("to"))
	}
	fields := url.Values{}
	for name, value := range p.Fields {
		fields.Set(name, value)
	}
	r.URL = &url.URL{Path: p.Path}
	r.Body, r.ContentLength, r.Form, r.PostForm = io.NopCloser(strings.NewReader(fields.Encode())), 0, nil, nil
	s.served.ServeHTTP(w, r)
	return nil
}
