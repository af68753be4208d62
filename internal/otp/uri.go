package otp

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Key is what an authenticator app needs to generate a user's codes.
type Key struct {
	Issuer  string // the brand
	Account string // the e-mail address
	Secret  []byte
	Params  Params
}

// Errors of [ParseURI]. None contains the URI, because the URI contains the secret.
var (
	ErrURI    = errors.New("otp: not an otpauth URI for time-based codes")
	ErrParams = errors.New("otp: algorithm, digits or period is not supported")
)

// URI returns the key as an otpauth URI:
//
//	otpauth://totp/Acme:ann%40acme.example?secret=JBSWY3DPEHPK3PXP&issuer=Acme&algorithm=SHA1&digits=6&period=30
//
// The issuer is both the prefix of the label and a parameter. Everything except letters, digits and "-._~" is
// percent-encoded, a space as %20 and a plus as %2B, because some apps read "+" as a space.
//
// Apps split the label at its first colon, encoded or not, so a colon in the issuer would move part of the brand into
// the account. Each colon in the issuer, with the spaces around it, therefore becomes one space ("Acme: Payroll"
// becomes "Acme Payroll"). Colons in the account follow the first one and are kept. Spaces around both are removed.
func (k Key) URI() string {
	issuer := strings.TrimSpace(colons.ReplaceAllLiteralString(k.Issuer, " "))
	account := strings.TrimSpace(k.Account)
	label, param := escape(account), ""
	if issuer != "" {
		label, param = escape(issuer)+":"+label, "&issuer="+escape(issuer)
	} else if strings.Contains(account, ":") {
		label = ":" + label // otherwise apps would read its first part as the issuer
	}
	return fmt.Sprintf("otpauth://totp/%s?secret=%s%s&algorithm=%s&digits=%d&period=%d", label,
		EncodeSecret(k.Secret), param, escape(string(k.Params.Algorithm)), k.Params.Digits, k.Params.Period)
}

// URIWithin is URI with issuer and account cut, at a character each, so that it has at most limit bytes: a QR code of more
// is too fine for many cameras. Each keeps at least its half of the room there is. The limit must leave room for both.
func (k Key) URIWithin(limit int) string {
	room := limit - len(Key{Issuer: "", Secret: k.Secret, Params: k.Params}.URI()) - len(":&issuer=")
	k.Issuer = strings.TrimSpace(colons.ReplaceAllLiteralString(k.Issuer, " "))
	k.Account = strings.TrimSpace(k.Account)
	k.Issuer = cut(k.Issuer, max(room/2, room-len(escape(k.Account)))/2) // it is there twice
	k.Account = cut(k.Account, room-2*len(escape(k.Issuer)))
	return k.URI()
}

// cut returns the beginning of s that has at most limit bytes when it is escaped.
func cut(s string, limit int) string {
	used := 0
	for i, r := range s {
		if used += len(escape(string(r))); used > limit {
			return strings.TrimSpace(s[:i])
		}
	}
	return s
}

var colons = regexp.MustCompile(`\s*:[\s:]*`)

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ParseURI parses an otpauth URI for time-based codes, ours or another product's. A missing parameter takes its value
// from [Default]. The issuer is the parameter or, without one, the label up to its first colon. The error is [ErrURI],
// [ErrSecret] or [ErrParams]. A repeated parameter is ErrURI.
func ParseURI(uri string) (Key, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || !strings.EqualFold(u.Host, "totp") || u.User != nil {
		return Key{}, ErrURI
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Key{}, ErrURI
	}
	for _, values := range query {
		if len(values) > 1 {
			return Key{}, ErrURI
		}
	}
	k := Key{Params: Default}
	if k.Secret, err = DecodeSecret(query.Get("secret")); err != nil {
		return Key{}, err
	}
	if k.Params, err = parseParams(query); err != nil {
		return Key{}, err
	}
	k.Issuer, k.Account = parseLabel(strings.TrimPrefix(u.Path, "/"), query.Get("issuer"))
	return k, nil
}

func parseParams(query url.Values) (Params, error) {
	p := Default
	if a := query.Get("algorithm"); a != "" {
		p.Algorithm = Algorithm(strings.ToUpper(a))
	}
	for name, field := range map[string]*int{"digits": &p.Digits, "period": &p.Period} {
		if v := query.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return Params{}, ErrParams
			}
			*field = n
		}
	}
	if !p.valid() {
		return Params{}, ErrParams
	}
	return p, nil
}

// parseLabel splits the label after the issuer if it begins with it, because issuers of other products can contain a
// colon, and otherwise at the first colon.
func parseLabel(label, param string) (issuer, account string) {
	account, found := strings.CutPrefix(label, param+":")
	if !found {
		var prefix string
		if prefix, account, found = strings.Cut(label, ":"); !found {
			prefix, account = "", label
		}
		if param == "" {
			param = prefix
		}
	}
	return strings.TrimSpace(param), strings.TrimSpace(account)
}
