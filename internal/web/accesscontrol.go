package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const accessControlPath = "/admin/access-control"

// settingFields are the fields of the form, in the order of the page. A form without one of them is refused.
var settingFields = []string{"require_2fa", "required_from", "phishing_resistant", "phishing_resistant_from", "trusted_device_days",
	"approvals", "invite_method", "recovery_code_count", "recovery_code_mode", "allow_reset_when_required"}

var settingWords = map[string]text.Message{
	"require_2fa":               text.Say("Who needs two-factor authentication"),
	"required_from":             text.Say("Required from"),
	"phishing_resistant":        text.Say("Who needs a passkey"),
	"phishing_resistant_from":   text.Say("Passkey required from"),
	"approvals":                 text.Say("Approval on another device"),
	"trusted_device_days":       text.Say("Days that a device is trusted"),
	"recovery_code_count":       text.Say("Recovery codes for each person"),
	"recovery_code_mode":        text.Say("How recovery codes are kept"),
	"allow_reset_when_required": text.Say("Reset while two-factor authentication is required"),
	"invite_method":             text.Say("How people are invited"),
}

// valueWords are the texts of values that are words in the form. Numbers and dates need none.
var valueWords = map[string]text.Message{
	sallyport.RequireOptional:  text.Say("No one: it is optional"),
	sallyport.RequireAdmins:    text.Say("Owners and admins"),
	sallyport.RequireEveryone:  text.Say("Everyone"),
	sallyport.RecoveryRolling:  text.Say("Rolling: they can be shown again"),
	sallyport.RecoveryOnce:     text.Say("Once: they are shown a single time"),
	"on":                       text.Say("On"),
	"off":                      text.Say("Off"),
	"yes":                      text.Say("Allowed"),
	"no":                       text.Say("Refused"),
	sallyport.InviteByLink:     text.Say("By a link that works once"),
	sallyport.InviteByPassword: text.Say("By a temporary password"),
	"":                         text.Say("At once"),
}

// rolesWords are the names of all people with a role.
var rolesWords = map[sallyport.Role]text.Message{
	sallyport.Owner: text.Say("Owners"), sallyport.Admin: text.Say("Admins"), sallyport.Manager: text.Say("Managers"), sallyport.Member: text.Say("Members"),
}

// untilWords say who a requirement applies to until the day on which another replaces it.
var untilWords = map[string]text.Message{
	sallyport.RequireOptional: text.Say("Until then, it is optional for everyone else."),
	sallyport.RequireAdmins:   text.Say("Until then, owners and admins must still have it, as now."),
	sallyport.RequireEveryone: text.Say("Until then, everyone must still have it, as now."),
}

type accessControlPage struct {
	page
	Version                         int64
	Values                          map[string]string // of the settings, as they are in the form
	Today                           time.Time
	Pending                         text.Message // what applies until the saved requirement begins
	PasskeyPending                  text.Message // the same for passkeys
	Require, Modes, Resets, Invites []option
	Passkey, Approvals              []option
	KeyFirst                        bool             // the caller must add a passkey before requiring one
	Moved                           []changedSetting // what someone else has saved in the meantime
	Unsaved                         []changedSetting // what was not saved because a step-up interrupted it
	OwnFirst                        bool             // the caller must set up two-factor authentication before requiring it
}

// Changed reports whether the form contains unsaved changes.
func (v *accessControlPage) Changed() bool {
	return len(v.Errors) > 0 || len(v.Moved) > 0 || len(v.Unsaved) > 0
}

// changedSetting is a setting whose saved value differs from the one in the form.
type changedSetting struct{ Name, Saved, Yours text.Message }

// hitPage asks for confirmation before people are forced to set up two-factor authentication, or to add a passkey.
type hitPage struct {
	page
	Fields                  []hidden
	Roles                   []hitRole
	People                  int // whom it affects
	Without, WithoutPasskey int
	Required, Passkey       *hit // nil: not affected
}

// hit is a requirement that becomes stricter.
type hit struct {
	From  time.Time    // zero: immediately
	Begun bool         // a date was entered that is today or in the past
	Until text.Message // who it is required of until From
}

func newHit(roles []sallyport.RoleCount, q sallyport.Requirement, day string) *hit {
	switch {
	case len(roles) == 0:
		return nil
	case q.From.IsZero():
		return &hit{Begun: day != ""}
	}
	return &hit{From: q.From, Until: untilWords[q.Until.Of]}
}

type hidden struct{ Name, Value string }

type hitRole struct {
	Name                            text.Message
	People, Without, WithoutPasskey int
}

// optionSentences are about the values of every setting except phishing_resistant.
var optionSentences = map[string]text.Message{
	sallyport.RequireOptional:  text.Say("Each person decides."),
	sallyport.RequireAdmins:    text.Say("People who can change other people's accounts must use two-factor authentication."),
	sallyport.RequireEveryone:  text.Say("Everyone here must use two-factor authentication."),
	sallyport.RecoveryRolling:  text.Say("People can look at their codes again after they confirmed who they are, and a used code is replaced by a new one."),
	sallyport.RecoveryOnce:     text.Say("The server stores codes in a form that no one can read. People who lose their codes create new ones."),
	"yes":                      text.Say("Administrators can help people who lost both their phone and their recovery codes."),
	"no":                       text.Say("You have to lift the requirement before anyone's two-factor authentication can be reset."),
	sallyport.InviteByLink:     text.Say("The e-mail contains a link, with which people choose their password."),
	sallyport.InviteByPassword: text.Say("The e-mail contains a temporary password, which only lets people choose their own."),
	"on":                       text.Say("At the challenge, people can ask a browser where they are signed in, and type a number there."),
	"off":                      text.Say("Each sign-in needs a code or a passkey of its own."),
}

var passkeySentences = map[string]text.Message{
	sallyport.RequireOptional: text.Say("Each person decides which second factor to use."),
	sallyport.RequireAdmins:   text.Say("People who can change other people's accounts must sign in with a passkey or a security key."),
	sallyport.RequireEveryone: text.Say("Everyone here must sign in with a passkey or a security key. False sites cannot steal them."),
}

// options returns the options of a setting, each with a sentence about it.
func (s *site) options(sentences map[string]text.Message, values ...string) (all []option) {
	for _, v := range values {
		all = append(all, option{Value: v, Label: s.lang.HTML(valueWords[v]), Hint: s.lang.HTML(sentences[v])})
	}
	return all
}

// passkeyOptions are the options of phishing_resistant. Their labels differ from those of require_2fa, which is on the same
// page.
func (s *site) passkeyOptions() []option {
	all := s.options(passkeySentences, sallyport.RequireOptional, sallyport.RequireAdmins, sallyport.RequireEveryone)
	for i, words := range []text.Message{text.Say("No one: a passkey is optional"), text.Say("Owners and admins need a passkey"), text.Say("Everyone needs a passkey")} {
		all[i].Label = s.lang.HTML(words)
	}
	return all
}

func (s *site) accessControlPage(p sallyport.Policy, values map[string]string) *accessControlPage {
	return &accessControlPage{
		page: page{Title: text.Say("Access control"), Wide: true}, Version: p.Version, Values: values,
		Today:     s.service.Now().UTC(),
		Require:   s.options(optionSentences, sallyport.RequireOptional, sallyport.RequireAdmins, sallyport.RequireEveryone),
		Passkey:   s.passkeyOptions(),
		Approvals: s.options(optionSentences, "off", "on"),
		Modes:     s.options(optionSentences, sallyport.RecoveryRolling, sallyport.RecoveryOnce),
		Resets:    s.options(optionSentences, "yes", "no"),
		Invites:   s.options(optionSentences, sallyport.InviteByLink, sallyport.InviteByPassword),
	}
}

// accessControl shows the saved policy. It shows the values of an interrupted save as unsaved changes. It reads nothing
// from the URL, which may be a link that someone else made.
func (s *site) accessControl(w http.ResponseWriter, r *http.Request) error {
	p := by(r).Policy()
	saved, values := p.Settings(), p.Settings()
	kept := s.filled(w, r)
	for _, name := range settingFields {
		if kept.Has(name) {
			values[name] = kept.Get(name)
		}
	}
	v := s.accessControlPage(p, values)
	u, _ := by(r).User()
	v.OwnFirst, v.KeyFirst = !u.TwoFactor, !u.HasPasskey
	if kept.Has("version") {
		v.Version = version(kept)
	}
	v.Unsaved = changes(saved, values)
	if p.Require2FA.Pending(s.service.Now()) {
		v.Pending = untilWords[p.Require2FA.Until.Of]
	}
	if p.PhishingResistant.Pending(s.service.Now()) {
		v.PasskeyPending = untilWords[p.PhishingResistant.Until.Of]
	}
	return s.render(w, r, http.StatusOK, "access-control", v)
}

func (s *site) accessControlPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	p := by(r).Policy()
	values := map[string]string{}
	for _, name := range settingFields {
		if f.Has(name) {
			values[name] = strings.TrimSpace(f.Get(name))
		}
	}
	wanted, wrong := policyOf(values)
	wanted.Version = p.Version
	if f.Has("version") {
		wanted.Version = version(f)
	}
	var d sallyport.Decision
	if wrong != nil || !f.Ticked(confirmField) {
		d, err = s.service.Decide(r.Context(), by(r), wanted)
	}
	switch {
	case err != nil || wrong != nil:
		return s.notSaved(w, r, wanted, values, err, wrong)
	case len(d.Hit)+len(d.HitPasskey) > 0:
		return s.render(w, r, http.StatusOK, "access-control-confirm", s.hitPage(d, values))
	}
	if err = s.service.SavePolicy(r.Context(), by(r), wanted); err != nil {
		return s.notSaved(w, r, wanted, values, err, nil)
	}
	return s.done(w, r, accessControlPath, "policy-saved")
}

// notSaved shows the form again with everything that is wrong with it. If someone else has saved the policy in the
// meantime, it shows what they changed.
func (s *site) notSaved(w http.ResponseWriter, r *http.Request, wanted sallyport.Policy, values map[string]string, err, wrong error) error {
	v := s.accessControlPage(wanted, values)
	if !errors.Is(err, sallyport.ErrPolicyMoved) {
		if wrong != nil && (err == nil || mendable(err)) {
			for _, e := range sallyport.Outcomes(err) {
				v.Errors = append(v.Errors, fieldError{Field: e.Field, Text: said(e)})
			}
			err = wrong
		}
		return s.again(w, r, "access-control", v, err)
	}
	c, arriving := s.arrive(r)
	if arriving != nil {
		return arriving
	}
	v.Version = c.Policy().Version
	v.Moved = changes(c.Policy().Settings(), wanted.Settings())
	v.Errors = []fieldError{{Text: sallyport.ErrPolicyMoved.Text}}
	return s.render(w, r, http.StatusConflict, "access-control", v)
}

// changes returns the settings whose value in the form differs from the saved one, in the order of the page.
func changes(saved, values map[string]string) (all []changedSetting) {
	for _, name := range settingFields {
		if saved[name] != values[name] {
			all = append(all, changedSetting{settingWords[name], valueText(saved[name]), valueText(values[name])})
		}
	}
	return all
}

func valueText(value string) text.Message {
	if m, ok := valueWords[value]; ok {
		return m
	}
	return text.Say("{value}", "value", value)
}

// version returns the version of the policy that the form was filled from. It returns 0, which no policy has, if the
// field is invalid.
func version(f form) int64 {
	n, err := strconv.ParseInt(f.Get("version"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// never is a day that no policy accepts.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// policyOf reads the settings. An invalid number or date becomes one that the Service refuses. The error is about a
// setting that a policy cannot represent.
func policyOf(values map[string]string) (sallyport.Policy, error) {
	number := func(name string) int {
		n, err := strconv.Atoi(values[name])
		if err != nil {
			return -1
		}
		return n
	}
	requirement := func(of, from string) sallyport.Requirement {
		q := sallyport.Requirement{Of: values[of]}
		if day, sent := values[from]; day != "" || !sent {
			var err error
			if q.From, err = time.Parse(time.DateOnly, day); err != nil {
				q.From = never
			}
		}
		return q
	}
	p := sallyport.Policy{
		Require2FA: requirement("require_2fa", "required_from"), PhishingResistant: requirement("phishing_resistant", "phishing_resistant_from"),
		Approvals: values["approvals"] == "on", TrustedDeviceDays: number("trusted_device_days"),
		RecoveryCodeCount: number("recovery_code_count"), RecoveryCodeMode: values["recovery_code_mode"],
		AllowResetWhenRequired: values["allow_reset_when_required"] == "yes", InviteMethod: values["invite_method"],
	}
	if !p.Approvals && values["approvals"] != "off" {
		return p, sallyport.ErrApprovals
	}
	if !p.AllowResetWhenRequired && values["allow_reset_when_required"] != "no" {
		return p, sallyport.ErrResetInvalid
	}
	return p, nil
}

func (s *site) hitPage(d sallyport.Decision, values map[string]string) *hitPage {
	v := &hitPage{
		page:     page{Title: text.Say("Require two-factor authentication?"), Wide: true},
		Required: newHit(d.Hit, d.New.Require2FA, values["required_from"]),
		Passkey:  newHit(d.HitPasskey, d.New.PhishingResistant, values["phishing_resistant_from"]),
	}
	if v.Required == nil {
		v.Title = text.Say("Require a passkey?")
	}
	for _, name := range settingFields {
		v.Fields = append(v.Fields, hidden{name, values[name]})
	}
	v.Fields = append(v.Fields, hidden{"version", strconv.FormatInt(d.Old.Version, 10)}, hidden{confirmField, "yes"})
	for _, role := range sallyport.Roles {
		of := func(c sallyport.RoleCount) bool { return c.Role == role }
		i := slices.IndexFunc(d.Hit, of)
		j := slices.IndexFunc(d.HitPasskey, of)
		if i < 0 && j < 0 {
			continue
		}
		row := hitRole{Name: rolesWords[role]}
		if i >= 0 {
			row.People, row.Without = d.Hit[i].People, d.Hit[i].Without
		}
		if j >= 0 {
			row.People, row.WithoutPasskey = d.HitPasskey[j].People, d.HitPasskey[j].WithoutPasskey
		}
		v.Roles = append(v.Roles, row)
		v.People += row.People
		v.Without += row.Without
		v.WithoutPasskey += row.WithoutPasskey
	}
	return v
}

// requirementBanner warns of the day from which two-factor authentication or a passkey is required, until it comes.
func (s *site) requirementBanner(c sallyport.Caller, u sallyport.User) []banner {
	if on, ok := c.Policy().PasskeyDue(u, s.service.Now()); ok {
		return []banner{{Kind: "warn", Text: text.Say("<bdi>{name}</bdi> requires a passkey from {date} on.", "name", c.Workspace().Issuer(), "date", s.lang.Date(on.UTC())),
			Href: newPasskeyPath, Action: text.Say("Add one now")}}
	}
	on, ok := c.Policy().Due(u, s.service.Now())
	if !ok {
		return nil
	}
	return []banner{{Kind: "warn", Text: text.Say("<bdi>{name}</bdi> requires two-factor authentication from {date} on.", "name", c.Workspace().Issuer(), "date", s.lang.Date(on.UTC())),
		Href: "/account/2fa/set-up", Action: text.Say("Set it up now")}}
}
