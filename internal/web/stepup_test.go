package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestI46_CancelLeadsBack: Cancel leads back to the page that the user came from, and never to another site.
func TestI46_CancelLeadsBack(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	mia := e.Add("mia@acme.example", sallyport.Member)
	_, v := ownerOf(s)
	e.Clock.Advance(sallyport.StepUpLimit + time.Minute)
	link := regexp.MustCompile(`href="([^"]*)">Cancel<`)
	cancel := func(to string) string {
		found := link.FindStringSubmatch(v.Get(to).Body)
		if found == nil {
			t.Fatalf("no way to cancel on %s: %d", to, v.Page.Status)
		}
		return html.UnescapeString(found[1])
	}
	person := "/admin/users/" + mia.ID
	for _, c := range []struct{ method, path, from, back string }{
		{"GET", "/account/password", s.URL + "/account", "/account"},
		{"GET", "/account/2fa/recovery-codes", s.URL + "/account/activity?before=x", "/account/activity?before=x"},
		{"GET", "/account/password", s.URL + "/account?x=y", "/account?x=y"},
		{"POST", person + "/reset-2fa", s.URL + "/admin/users?q=m%26m&sort=-name", "/admin/users?q=m%26m&sort=-name"}, // from its dialog
		{"POST", person + "/delete", s.URL + person + "/delete", person + "/delete"},
		{"POST", "/admin/users/new", s.URL + "/admin/users/new", "/admin/users/new"},
		{"GET", "/account/password", s.URL + "/account/password", "/account"}, // would ask again
		// The browser sends no Referer, or one that is not a page of ours to return to.
		{"GET", "/account/password", "", "/account"},
		{"GET", "/account/2fa/recovery-codes", "", "/account/2fa"},
		{"POST", person + "/delete", "", person},
		{"GET", "/account/2fa/recovery-codes", s.URL + "/step-up?to=%2Faccount", "/account/2fa"},
		{"GET", "/account/2fa/recovery-codes", s.URL + "/invitation/secret", "/account/2fa"},
		{"GET", "/account/2fa/recovery-codes", s.URL + "/account/nowhere", "/account/2fa"},
		{"GET", "/account/2fa/recovery-codes", "https://evil.example/account", "/account/2fa"},
		{"GET", "/account/2fa/recovery-codes", s.URL + ".evil.example/account", "/account/2fa"},
		{"GET", "/account/2fa/recovery-codes", s.URL + "//evil.example", "/account/2fa"},
	} {
		header := http.Header{"Sec-Fetch-Site": {"same-origin"}}
		if c.method == "POST" {
			header = v.PostHeader()
		}
		if c.from != "" {
			header.Set("Referer", c.from)
		}
		got := v.Send(sallyporttest.Request{Method: c.method, Target: c.path, Header: header, Body: url.Values{"reason": {"lost"}, "role": {"admin"}, "email": {"n@acme.example"}, "name": {"N"}}.Encode()})
		if got.Location == "" || strings.Contains(got.Location, "secret") {
			t.Fatalf("%s %s: %d %s %s", c.method, c.path, got.Status, got.Location, got.Alert())
		}
		if back := cancel(got.Location); back != c.back {
			t.Errorf("%s %s from %q: Cancel leads to %q", c.method, c.path, c.from, back)
		}
		if other := v.Page.Links(); slices.ContainsFunc(other, func(to string) bool { return strings.HasPrefix(to, "/step-up?") && cancel(to) != c.back }) {
			t.Errorf("%s %s from %q: Cancel leads elsewhere where the other kind of code is asked for", c.method, c.path, c.from)
		}
	}
	for _, from := range []string{
		"https://evil.example/", "//evil.example", "/\\evil.example", "/account/../..//evil.example", "javascript:alert(1)", "/account#x",
		"/account/%2f", "//evil.example/account/2fa", "/account/\\evil.example/x", "/sign-out", "/", " ",
	} {
		for _, name := range []string{"from", "to"} {
			if back := cancel("/step-up?" + url.Values{name: {from}}.Encode()); back != "/account" {
				t.Errorf("%s=%q: Cancel leads to %q", name, from, back)
			}
		}
	}
	if back := cancel("/step-up?to=/account/trusted-devices/dev_1/remove"); back != "/account/trusted-devices" {
		t.Errorf("past addresses that are no pages Cancel leads to %q", back)
	}
	e.Clock.Advance(sallyport.AdminIdleLimit)
	if back := cancel(v.Get(person).Location + "&from=/admin/users"); back != "/account" {
		t.Errorf("after an hour without use Cancel leads to %q, which asks again", back)
	}
}
