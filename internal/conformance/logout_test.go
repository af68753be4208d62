package conformance_test

import (
	"net/url"
	"strings"
	"time"
)

var logoutModules = []module{
	{"oidcc-rp-initiated-logout-discovery-endpoint-verification", func(r *run) { r.endpoint("end_session_endpoint") }},
	{"oidcc-rp-initiated-logout", func(r *run) {
		b, g := r.signedIn()
		a := b.signOut(url.Values{"id_token_hint": {g.text("id_token")}, "post_logout_redirect_uri": {postLogoutURI}, "state": {"a:st/ate"}})
		b.returned(a, "a:st/ate")
		b.ended()
	}},
	{"oidcc-rp-initiated-logout-no-state", func(r *run) {
		b, g := r.signedIn()
		a := b.signOut(url.Values{"id_token_hint": {g.text("id_token")}, "post_logout_redirect_uri": {postLogoutURI}})
		b.returned(a, "")
		b.ended()
	}},
	{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(r *run) {
		r.stays(func(g granted) url.Values {
			return url.Values{"id_token_hint": {g.text("id_token")}, "post_logout_redirect_uri": {"https://evil.example.com/signed-out"}, "state": {"s"}}
		})
	}},
	{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", func(r *run) {
		r.stays(func(g granted) url.Values {
			return url.Values{"id_token_hint": {g.text("id_token")}, "post_logout_redirect_uri": {postLogoutURI + "?extra=1"}, "state": {"s"}}
		})
	}},
	{"oidcc-rp-initiated-logout-modified-id-token-hint", func(r *run) {
		r.stays(func(g granted) url.Values {
			parts := strings.Split(g.text("id_token"), ".")
			parts[2] = strings.Repeat("A", len(parts[2])-1) + "Q"
			return url.Values{"id_token_hint": {strings.Join(parts, ".")}, "post_logout_redirect_uri": {postLogoutURI}, "state": {"s"}}
		})
	}},
	{"oidcc-rp-initiated-logout-bad-id-token-hint", func(r *run) {
		r.stays(func(granted) url.Values {
			return url.Values{"id_token_hint": {"bad"}, "post_logout_redirect_uri": {postLogoutURI}, "state": {"s"}}
		})
	}},
	{"oidcc-rp-initiated-logout-no-id-token-hint", func(r *run) {
		r.stays(func(granted) url.Values {
			return url.Values{"post_logout_redirect_uri": {postLogoutURI}, "state": {"s"}}
		})
	}},
	{"oidcc-rp-initiated-logout-no-params", func(r *run) { r.endsHere(func(granted) url.Values { return url.Values{} }) }},
	{"oidcc-rp-initiated-logout-only-state", func(r *run) { r.endsHere(func(granted) url.Values { return url.Values{"state": {"s"}} }) }},
	{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(r *run) {
		r.endsHere(func(g granted) url.Values { return url.Values{"id_token_hint": {g.text("id_token")}, "state": {"s"}} })
	}},
	{"oidcc-backchannel-logout-discovery-endpoint-verification", func(r *run) {
		if m := r.metadata(); m.object["backchannel_logout_supported"] != true || m.object["backchannel_logout_session_supported"] != true {
			r.errorf("back-channel logout is not offered: %v, %v", m.object["backchannel_logout_supported"], m.object["backchannel_logout_session_supported"])
		}
	}},
	{"oidcc-backchannel-rp-initiated-logout", backchannel},
}

// signedIn returns the browser of a person who is signed in, and what Main got.
func (r *run) signedIn() (*browser, granted) {
	b := r.browser()
	g := b.grant(r.Main, nil)
	return b, g
}

func (b *browser) signOut(q url.Values) reply {
	b.guest = true
	return b.open(strings.TrimSuffix(b.endpoint("end_session_endpoint")+"?"+q.Encode(), "?"))
}

// returned checks that the browser came back to the client after signing out.
func (b *browser) returned(a reply, state string) {
	if !a.at(postLogoutURI) || a.Get("state") != state || a.Has("state") != (state != "") {
		b.errorf("after signing out, the browser is at %s with %v (%+v)", a.to, a.Values, a.page)
	}
}

// ended checks that nobody is signed in.
func (b *browser) ended() {
	q := b.request(b.Main, changes{"prompt": "none"})
	b.told(q, b.open(b.address(q)), "login_required", "interaction_required")
}

// stays checks that a browser does not return to the client.
func (r *run) stays(request func(granted) url.Values) {
	b, g := r.signedIn()
	if a := b.signOut(request(g)); a.page == nil {
		r.errorf("the browser was sent to %s with %v", a.to, a.Values)
	}
}

// endsHere checks that the person is signed out, and does not return to the client.
func (r *run) endsHere(request func(granted) url.Values) {
	b, g := r.signedIn()
	if a := b.signOut(request(g)); a.page == nil || a.page.status >= 400 {
		r.errorf("the browser was sent to %s with %v (%+v)", a.to, a.Values, a.page)
	}
	b.ended()
}

func backchannel(r *run) {
	b, g := r.signedIn()
	r.Deliver()
	r.Messages.clear()
	b.signOut(url.Values{"id_token_hint": {g.text("id_token")}, "post_logout_redirect_uri": {postLogoutURI}})
	r.Deliver()
	message := r.Messages.next()
	if message == nil {
		r.fatalf("the client was not told")
	}
	said := r.verify(message.Get("logout_token"), r.Main.Algorithm)
	events, _ := said["events"].(map[string]any)
	if _, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any); !ok {
		r.errorf("events are %v", said["events"])
	}
	if aud := append(said.list("aud"), said.text("aud")); said.text("iss") != r.Issuer || aud[0] != r.Main.ID || said.text("jti") == "" || said["nonce"] != nil {
		r.errorf("the logout token says %v", said)
	}
	if sub := said.text("sub"); sub != "" && sub != g.id.text("sub") || said.text("sid") != g.id.text("sid") || said.text("sid") == "" {
		r.errorf("the logout token is about sub %s, sid %s; the ID token about %s, %s", sub, said.text("sid"), g.id.text("sub"), g.id.text("sid"))
	}
	iat, _ := said["iat"].(float64)
	if d := r.Now().Sub(time.Unix(int64(iat), 0)).Abs(); d > time.Minute {
		r.errorf("iat is %s away", d)
	}
}
