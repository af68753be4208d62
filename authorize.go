package sallyport

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/openid"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Parameters are the parameters of an authorization request by name, each sent once and not empty.
type Parameters map[string]string

// AuthorizationParameters are those that mean something. All others are ignored.
var AuthorizationParameters = []string{
	"client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "nonce", "prompt", "max_age", "acr_values",
	"login_hint", "id_token_hint", "claims", "code_challenge", "code_challenge_method", "request", "request_uri", "ui_locales", "display",
}

// RepeatedParameter is the name under which a door puts the name of a parameter that was sent twice.
const RepeatedParameter = "\x00repeated"

// maxParameter is the maximum size of a parameter, in bytes.
const maxParameter = 4 << 10

// refusal is an outcome for a program, with the code of the standard.
func refusal(code string, say text.Message) *Error {
	return &Error{Kind: Invalid, Code: code, Text: say}
}

// Values of the parameters response_mode and prompt.
const (
	ModeQuery = "query"
	ModeForm  = "form_post"

	PromptNone    = "none"
	PromptLogin   = "login"
	PromptAccount = "select_account"
	PromptConsent = "consent"
)

// ResponseModes, Prompts and ACRs are all values of these parameters. ACRs begin with the weakest.
var (
	ResponseModes = []string{ModeQuery, ModeForm}
	Prompts       = []string{PromptNone, PromptLogin, PromptAccount, PromptConsent}
	ACRs          = []string{acrPassword, acrFactor, acrResistant}
)

var levelOf = map[string]Level{acrPassword: LevelPolicy, acrFactor: LevelTwoFactor, acrResistant: LevelPhishingResistant}

// Outcomes that an app is told.
var (
	errResponseType   = refusal("unsupported_response_type", text.Say("Only response_type=code is supported. Choose the authorization code flow in the app."))
	errNoResponseType = refusal("invalid_request", text.Say("The parameter response_type is missing. Send response_type=code."))
	errResponseMode   = refusal("invalid_request", text.Say("This response_mode is not supported. Use query or form_post."))
	errRequestObject  = refusal("request_not_supported", text.Say("The parameter request is not supported. Send the parameters themselves, or push them to /oauth2/par."))
	errRequestURI     = refusal("request_uri_not_supported", text.Say("Only a request_uri from /oauth2/par is supported."))
	errNoPKCE         = refusal("invalid_request", text.Say("The parameter code_challenge is missing. This app must use PKCE with S256. For a confidential app, an administrator can make PKCE optional."))
	errPKCEMethod     = refusal("invalid_request", text.Say("The only supported code_challenge_method is S256."))
	errPKCEChallenge  = refusal("invalid_request", text.Say("The parameter code_challenge must be a SHA-256 hash in base64url without padding, 43 characters long."))
	errPrompt         = refusal("invalid_request", text.Say("The parameter prompt may be none, login, select_account or consent. Nothing goes with none."))
	errMaxAge         = refusal("invalid_request", text.Say("The parameter max_age must be a number of seconds."))
	errRepeated       = refusal("invalid_request", text.Say("A parameter was sent more than once."))
	errTooLong        = refusal("invalid_request", text.Say("A parameter is longer than 4 KiB."))
	errUnmetACR       = refusal("unmet_authentication_requirements", text.Say("The person cannot sign in in the way that the app requires."))
	errLoginRequired  = refusal("login_required", text.Say("The person must sign in."))
	errInteraction    = refusal("interaction_required", text.Say("The person must do something on our pages first."))
	errAccessDenied   = refusal("access_denied", text.Say("This person may not use the app. An administrator decides who may."))
	errConsentDenied  = refusal("access_denied", text.Say("The person does not want to share this with the app."))
)

// asked is what an authorization request asks for, after it was judged.
type asked struct {
	scopes    []string
	prompts   []string
	maxAge    int // in seconds; -1: any
	acrs      []string
	essential bool // one of acrs must be reached
	claims    openid.ClaimsRequest
}

// judge returns what a request asks for, or what is wrong with it, to be told to the app. The address to which it is told was
// checked before.
func (p Parameters) judge(c *AppClient) (q asked, err error) {
	for _, value := range p {
		if len(value) > maxParameter {
			return q, errTooLong
		}
	}
	switch {
	case p[RepeatedParameter] != "":
		return q, errRepeated.saying(text.Say("The parameter {name} was sent more than once.", "name", p[RepeatedParameter]))
	case p["request"] != "":
		return q, errRequestObject
	case p["request_uri"] != "":
		return q, errRequestURI
	case p["response_type"] == "":
		return q, errNoResponseType
	case p["response_type"] != "code":
		return q, errResponseType
	case p["response_mode"] != "" && !slices.Contains(ResponseModes, p["response_mode"]):
		return q, errResponseMode
	}
	if err := p.judgePKCE(c); err != nil {
		return q, err
	}
	q.scopes = grantedScopes(p["scope"])
	if !c.Refresh {
		q.scopes = slices.DeleteFunc(q.scopes, func(scope string) bool { return scope == scopeOffline })
	}
	q.prompts = strings.Fields(p["prompt"])
	for _, prompt := range q.prompts {
		if !slices.Contains(Prompts, prompt) || prompt == PromptNone && len(q.prompts) > 1 {
			return q, errPrompt
		}
	}
	q.maxAge = -1
	if s := p["max_age"]; s != "" {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return q, errMaxAge
		}
		q.maxAge = int(n)
	}
	if q.claims, err = parseClaims(p["claims"]); err != nil {
		return q, err
	}
	q.acrs = strings.Fields(p["acr_values"])
	if want := q.claims.IDToken["acr"]; want != nil {
		if values := want.Texts(); len(values) > 0 {
			q.acrs, q.essential = values, want.Essential
		}
	}
	return q, nil
}

func (p Parameters) judgePKCE(c *AppClient) error {
	challenge, method := p["code_challenge"], p["code_challenge_method"]
	switch {
	case challenge == "" && method == "" && c.PKCEOptional && !c.Public:
		return nil
	case challenge == "":
		return errNoPKCE
	case method != "S256":
		return errPKCEMethod
	case len(challenge) != 43 || strings.Trim(challenge, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "":
		return errPKCEChallenge
	}
	return nil
}

func (q asked) prompt(p string) bool { return slices.Contains(q.prompts, p) }

// demand returns what a request that was made at a time requires of a user, besides what the app does. reachable is false if
// the user has no way to reach what the request says is essential. Of several wanted values, the first one that the user can
// reach counts.
func (q asked) demand(u User, proofs Proofs, at time.Time) (d Demand, reachable bool) {
	if q.maxAge >= 0 {
		d.Since = at.Add(-time.Duration(q.maxAge) * time.Second)
	}
	// In a session, a new proof is the second factor of whoever has one, as everywhere else: the password was given when the
	// session began, and Judge still wants it to have been. Whoever has no second factor gives the password again.
	if q.prompt(PromptLogin) {
		d.Since = at
	}
	if q.essential && slices.Contains(q.acrs, acr(proofs)) {
		return d, true
	}
	for _, value := range q.acrs {
		level, known := levelOf[value]
		if known && (level == LevelPolicy || level == LevelTwoFactor && u.TwoFactor || level == LevelPhishingResistant && u.HasPasskey) {
			d.Level = level
			return d, true
		}
	}
	return d, !q.essential
}

// Reply is what an app is sent through the browser.
type Reply struct {
	Mode   string // ModeQuery or ModeForm
	To     string // registered address
	Values [][2]string
}

// Address returns the address with the values in its query.
func (r Reply) Address() string {
	var b strings.Builder
	b.WriteString(r.To)
	sep := byte('?')
	if strings.Contains(r.To, "?") {
		sep = '&'
	}
	for _, v := range r.Values {
		b.WriteByte(sep)
		b.WriteString(v[0] + "=" + escapeQuery(v[1]))
		sep = '&'
	}
	return b.String()
}

// Origin returns the origin to which the reply goes.
func (r Reply) Origin() string { return originOf(r.To) }

// reply returns a reply to a request whose address was checked.
func (s *Service) reply(by Caller, p Parameters, values ...[2]string) *Reply {
	r := &Reply{Mode: ModeQuery, To: p["redirect_uri"], Values: values}
	if p["response_mode"] == ModeForm {
		r.Mode = ModeForm
	}
	if p["state"] != "" {
		r.Values = append(r.Values, [2]string{"state", p["state"]})
	}
	r.Values = append(r.Values, [2]string{"iss", s.base(by.host)})
	return r
}

// refuseTo returns the reply that says what is wrong.
func (s *Service) refuseTo(by Caller, p Parameters, e *Error) *Reply {
	return s.reply(by, p, [2]string{"error", e.Code}, [2]string{"error_description", Describe(e)})
}

// Describe returns the text of an outcome as error_description may contain it (RFC 6749 section 5.2).
func Describe(e *Error) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '\''
		}
		return c
	}, text.English.Text(e.Text))
}
