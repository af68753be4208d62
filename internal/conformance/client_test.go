package conformance_test

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// object is JSON from the provider.
type object map[string]any

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

func (o object) list(name string) (all []string) {
	values, _ := o[name].([]any)
	for _, v := range values {
		s, _ := v.(string)
		all = append(all, s)
	}
	return all
}

// answer is a response of an endpoint for programs.
type answer struct {
	object
	status int
	header http.Header
	raw    string
}

func (r *run) send(method, address string, body url.Values, header http.Header) answer {
	q, err := http.NewRequest(method, address, strings.NewReader(body.Encode()))
	r.check(err)
	if header != nil {
		q.Header = header
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	q.Header.Set("Accept", "application/json")
	res, err := r.http.Do(q)
	r.check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	r.check(err)
	a := answer{status: res.StatusCode, header: res.Header, raw: string(b), object: object{}}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		r.check(json.Unmarshal(b, &a.object))
	}
	return a
}

// metadata returns the provider's metadata.
func (r *run) metadata() answer {
	a := r.send(http.MethodGet, r.Issuer+"/.well-known/openid-configuration", nil, nil)
	if a.status != http.StatusOK {
		r.fatalf("metadata: %d %s", a.status, a.raw)
	}
	return a
}

func (r *run) endpoint(name string) string {
	address := r.metadata().text(name)
	if address == "" {
		r.fatalf("the metadata has no %s", name)
	}
	return address
}

func (r *run) keys() (set jose.JSONWebKeySet, raw object) {
	a := r.send(http.MethodGet, r.endpoint("jwks_uri"), nil, nil)
	if a.status != http.StatusOK {
		r.fatalf("keys: %d %s", a.status, a.raw)
	}
	raw = object{}
	r.check(json.Unmarshal([]byte(a.raw), &raw))
	r.check(json.Unmarshal([]byte(a.raw), &set))
	return set, raw
}

// changes are parameters to change. An empty value leaves one out.
type changes map[string]string

// request returns the parameters of an ordinary request.
func (r *run) request(c Client, change changes) url.Values {
	q := url.Values{"client_id": {c.ID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {redirectURI}, "state": {rand.Text()}, "nonce": {rand.Text()}}
	if r.mode != "" {
		q.Set("response_mode", r.mode)
	}
	if c.Challenge {
		q.Set("code_challenge", challenge(verifier))
		q.Set("code_challenge_method", "S256")
	}
	for name, value := range change {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
	return q
}

const verifier = "a-verifier-that-is-long-enough-for-the-standard-0123456789"

func challenge(verifier string) string {
	h := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func (r *run) address(q url.Values) string {
	return r.endpoint("authorization_endpoint") + "?" + q.Encode()
}

// granted is what came of a request.
type granted struct {
	answer
	client  Client
	request url.Values
	code    string
	id      object // claims of the ID token
}

// grant sends a person to the provider with a request, and redeems the code. Everything on the way must be right.
func (b *browser) grant(c Client, change changes) granted {
	q := b.request(c, change)
	g := granted{client: c, request: q}
	g.code = b.codeOf(q, b.open(b.address(q)))
	g.answer = b.redeem(g, nil)
	if g.status != http.StatusOK {
		b.fatalf("the code was not redeemed: %d %s", g.status, g.raw)
	}
	b.checkTokens(&g)
	return g
}

// codeOf checks a reply that must bring a code.
func (r *run) codeOf(q url.Values, a reply) string {
	switch {
	case a.page != nil:
		r.fatalf("the person is stuck on %s (%d): %.300s", a.page.Path, a.page.status, a.page.text)
	case !a.at(q.Get("redirect_uri")):
		r.fatalf("the browser was sent to %s", a.to)
	case a.Get("error") != "":
		r.fatalf("the client got an error: %v", a.Values)
	case a.Get("code") == "" || a.Get("state") != q.Get("state"):
		r.fatalf("the client got %v for state %s", a.Values, q.Get("state"))
	case a.posted != (r.mode == "form_post"):
		r.fatalf("the reply was posted: %v", a.posted)
	}
	if iss := a.Values["iss"]; len(iss) > 0 && iss[0] != r.Issuer {
		r.errorf("iss is %v", iss)
	}
	return a.Get("code")
}

// redeem posts a code, as the client does.
func (r *run) redeem(g granted, change changes) answer {
	f := url.Values{"grant_type": {"authorization_code"}, "code": {g.code}, "redirect_uri": {g.request.Get("redirect_uri")}}
	if g.request.Has("code_challenge") {
		f.Set("code_verifier", verifier)
	}
	for name, value := range change {
		f.Set(name, value)
		if value == "" {
			f.Del(name)
		}
	}
	return r.token(g.client, f)
}

// token posts a form to the token endpoint, with the client's secret.
func (r *run) token(c Client, f url.Values) answer {
	header := http.Header{}
	if c.Post {
		f.Set("client_id", c.ID)
		f.Set("client_secret", c.Secret)
	} else {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID)+":"+url.QueryEscape(c.Secret))))
	}
	return r.send(http.MethodPost, r.endpoint("token_endpoint"), f, header)
}

// checkTokens checks an answer of the token endpoint, and what its ID token says.
func (r *run) checkTokens(g *granted) {
	if !strings.EqualFold(g.text("token_type"), "Bearer") || g.text("access_token") == "" {
		r.errorf("the token answer is %s", g.raw)
	}
	if !strings.Contains(g.header.Get("Cache-Control"), "no-store") {
		r.errorf("tokens may be cached: %q", g.header.Get("Cache-Control"))
	}
	if n, ok := g.object["expires_in"].(float64); !ok || n <= 0 {
		r.errorf("expires_in is %v", g.object["expires_in"])
	}
	g.id = r.verify(g.text("id_token"), g.client.Algorithm)
	now := r.Now()
	at := func(claim string) time.Time {
		n, ok := g.id[claim].(float64)
		if !ok {
			r.errorf("%s is %v", claim, g.id[claim])
		}
		return time.Unix(int64(n), 0)
	}
	if d := at("iat").Sub(now).Abs(); d > time.Minute {
		r.errorf("iat is %s away", d)
	}
	if !at("exp").After(now) {
		r.errorf("the ID token has expired")
	}
	if g.id.text("iss") != r.Issuer || g.id.text("sub") == "" || len(g.id.text("sub")) > 255 {
		r.errorf("iss %v, sub %v", g.id["iss"], g.id["sub"])
	}
	if aud := append(g.id.list("aud"), g.id.text("aud")); aud[0] != g.client.ID {
		r.errorf("aud is %v", aud)
	}
	if azp, ok := g.id["azp"]; ok && azp != g.client.ID {
		r.errorf("azp is %v", azp)
	}
	if nonce, _ := g.id["nonce"].(string); nonce != g.request.Get("nonce") {
		r.errorf("nonce is %q, not %q", nonce, g.request.Get("nonce"))
	}
	if got := g.id.text("at_hash"); got != "" && got != halfHash(g.client.Algorithm, g.text("access_token")) {
		r.errorf("at_hash is %s", got)
	}
}

func halfHash(algorithm, value string) string {
	var h hash.Hash = sha256.New()
	if algorithm == "EdDSA" {
		h = sha512.New()
	}
	h.Write([]byte(value))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// verify returns the claims of a token that must be signed with a key that the provider publishes.
func (r *run) verify(token, algorithm string) object {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
	if err != nil {
		r.fatalf("not a token signed with %s: %v: %s", algorithm, err, token)
	}
	set, _ := r.keys()
	id := signed.Signatures[0].Header.KeyID
	fitting := set.Key(id)
	if id == "" {
		fitting = set.Keys
	}
	for _, key := range fitting {
		if payload, err := signed.Verify(key.Key); err == nil {
			claims := object{}
			r.check(json.Unmarshal(payload, &claims))
			return claims
		}
	}
	r.fatalf("no published key with id %q has signed the token", id)
	return nil
}

// userinfo asks for claims, and checks that they are about the same person.
func (r *run) userinfo(g granted) object {
	a := r.send(http.MethodGet, r.endpoint("userinfo_endpoint"), nil, http.Header{"Authorization": {"Bearer " + g.text("access_token")}})
	return r.about(g, a)
}

func (r *run) about(g granted, a answer) object {
	if a.status != http.StatusOK || a.text("sub") != g.id.text("sub") {
		r.fatalf("userinfo: %d %s, expected sub %s", a.status, a.raw, g.id.text("sub"))
	}
	return a.object
}

// authTime returns when the person proved who they are, according to an ID token.
func (g granted) authTime(r *run) time.Time {
	n, ok := g.id["auth_time"].(float64)
	if !ok {
		r.fatalf("auth_time is %v", g.id["auth_time"])
	}
	return time.Unix(int64(n), 0)
}
