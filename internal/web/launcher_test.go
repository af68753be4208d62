package web_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestLauncher: people see the apps that they may use, and only those.
func TestLauncher(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		mia, v := e.Add("mia@acme.example", sallyport.Member), s.Visitor()
		if got := v.Get("/apps"); got.LocationPath() != "/sign-in" {
			t.Errorf("signed out: %d %s", got.Status, got.Location)
		}
		v.SignIn(mia)
		if got := v.Get("/apps"); !got.Has("ask an administrator") || len(got.Forms()) != 0 {
			t.Errorf("without apps: %s", got.Text())
		}
		ids := addGroups(e, "engineering")
		addApp(e, "Wiki")
		addApp(e, "No address", func(a *sallyport.App) { a.Address = "" })
		addApp(e, "Grafana", func(a *sallyport.App) {
			a.Access, a.Groups, a.Address = sallyport.AccessGroups, ids, "https://grafana.example.com/"
		})
		e.Check(e.DisableApp(context.Background(), e.Console(), addApp(e, "Closed").ID))
		shown := func() string {
			var all []string
			for _, to := range v.Get("/apps").Links() {
				if strings.HasPrefix(to, "https://") {
					all = append(all, to)
				}
			}
			return strings.Join(all, " ")
		}
		if got := shown(); got != "https://app.example.com/" || v.Page.Has("ask an administrator") {
			t.Errorf("she may open %s", got)
		}
		e.Check(e.JoinGroup(context.Background(), e.Console(), ids[0], mia.ID))
		if got := shown(); got != "https://grafana.example.com/ https://app.example.com/" {
			t.Errorf("in a group, she may open %s", got)
		}
		for i := range 7 {
			addApp(e, fmt.Sprintf("App %d", i))
		}
		if len(v.Get("/apps").Forms()) != 0 {
			t.Error("nine apps have a search")
		}
		addApp(e, "Straßenbau")
		if got := v.Get("/apps"); got.Form("q").Method != "get" {
			t.Errorf("ten apps have no search: %s", got.Text())
		}
		if got := v.Get("/apps?q=STRASSE"); !got.Has("Straßenbau") || got.Has("Wiki") {
			t.Errorf("found: %s", got.Text())
		}
		if got := v.Get("/apps?q=nothing"); got.Has("Wiki") || !slices.Contains(got.Links(), "/apps") || got.Has("ask an administrator") {
			t.Errorf("found nothing: %s", got.Text())
		}
	})
}

// TestArrival: people arrive at their apps, and at their account as long as they have none; never elsewhere than where they were going.
func TestArrival(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		s := sallyporttest.NewSite(t, e)
		mia := e.Add("mia@acme.example", sallyport.Member)
		arrive := func(opened string) string {
			v := s.Visitor()
			v.Get(opened)
			signInOn(t, s, v, &mia)
			return v.Follow().Target
		}
		ids := addGroups(e, "engineering")
		addApp(e, "Not hers", func(a *sallyport.App) { a.Access, a.Groups = sallyport.AccessGroups, ids })
		if got := arrive("/"); got != "/account" {
			t.Errorf("without an app of hers: %s", got)
		}
		addApp(e, "Wiki")
		for opened, want := range map[string]string{"/": "/apps", "/sign-in": "/apps", "/apps": "/apps", "/account": "/account", "/account/activity": "/account/activity", "/sign-in?to=%2F%2Fevil.example%2Fapps": "/apps"} {
			if got := arrive(opened); got != want {
				t.Errorf("from %s: %s, want %s", opened, got, want)
			}
		}
		v := s.Visitor()
		v.SignIn(mia)
		e.Exec(`UPDATE policies SET require_2fa = 'everyone', version = version + 1`)
		v.Get("/")
		if got := v.Follow(); !strings.HasPrefix(got.Target, "/account/2fa/set-up") || slices.Contains(got.Links(), "/apps") {
			t.Errorf("I18: who must set up 2FA first gets to %s", got.Target)
		}
	})
}

// TestAppLettersCanBeRead: on every colour, and without a style in the page, which the policy of our pages refuses.
func TestAppLettersCanBeRead(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	v := s.Visitor()
	v.SignIn(e.Add("mia@acme.example", sallyport.Member))
	for i, c := range []string{"", "#000000", "#ffffff", "#808080", "#ff0000", "#00ff00", "#0000ff", "#ffff00"} {
		addApp(e, fmt.Sprintf("%d", i), func(a *sallyport.App) { a.Colour = c })
	}
	letters := regexp.MustCompile(`<rect[^>]* fill="([^"]*)"/><text[^>]* fill="([^"]*)">(\d)`).FindAllStringSubmatch(v.Get("/apps").Body, -1)
	if len(letters) != 8 {
		t.Fatalf("%d letters", len(letters))
	}
	for _, l := range letters {
		fill, ok := colour.Parse(l[1])
		ink, also := colour.Parse(l[2])
		if !ok || !also || fill.Contrast(ink) < 4.5 {
			t.Errorf("%s: %s on %s", l[3], l[2], l[1])
		}
	}
	if strings.Contains(v.Page.Body, "style=") {
		t.Error("the page has a style of its own")
	}
}

// TestRefusedByAnApp: the page for a person who may not use an app names it, and leads back where it can.
func TestRefusedByAnApp(t *testing.T) {
	kit, err := web.NewKit("https://globex.example.com", nil, text.English, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	refused := *sallyport.ErrAppRefused
	refused.Text = text.Say("You may not use {app}. If you need it, ask an administrator.", "app", "Wiki & <more>")
	for want, back := range map[string]*sallyport.Reply{
		"": nil,
		`href="https://wiki.example.com/callback?error=access_denied"`: {To: "https://wiki.example.com/callback", Values: [][2]string{{"error", "access_denied"}}},
		`href="com.example.wiki:/cb?error=access_denied"`:              {To: "com.example.wiki:/cb", Values: [][2]string{{"error", "access_denied"}}},
		`method="post" action="https://wiki.example.com/callback"`:     {Mode: sallyport.ModeForm, To: "https://wiki.example.com/callback", Values: [][2]string{{"error", "access_denied"}}},
	} {
		status, body := kit.Refused(&refused, back)
		if status != http.StatusForbidden || !strings.Contains(body, "Wiki &amp; &lt;more&gt;") || !strings.Contains(body, "ask an administrator") ||
			strings.Contains(body, "Back to the app") != (back != nil) || !strings.Contains(body, want) || strings.Contains(body, "data-submit") {
			t.Errorf("back by %q: %d %s", want, status, body)
		}
	}
}
