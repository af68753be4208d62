package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestForeignForwarding: the owner, who can do something about it, sees a warning about a proxy that is not configured.
// No one else does.
func TestForeignForwarding(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	edges, err := edge.New(e.URL, nil, slog.New(slog.DiscardHandler))
	e.Check(err)
	pages, err := web.New(edges, slog.New(slog.DiscardHandler), text.English)
	e.Check(err)
	handler := pages(e.Service, http.NotFoundHandler())
	told := func(p sallyporttest.Person, header http.Header) bool {
		v := s.Visitor()
		v.SignIn(p)
		r := httptest.NewRequest("GET", "/account", nil)
		r.Host = strings.TrimPrefix(e.URL, "http://")
		r.Header = header
		for name, value := range v.Cookies() {
			r.AddCookie(&http.Cookie{Name: s.CookieName(name), Value: value})
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d", p.Address, answer.Code)
		}
		return strings.Contains(answer.Body.String(), "--trusted-proxies")
	}
	if told(e.Owner, http.Header{}) {
		t.Error("before there was any")
	}
	if !told(e.Owner, http.Header{"X-Forwarded-For": {"203.0.113.9"}}) || !told(e.Owner, http.Header{}) {
		t.Error("the owner is not told")
	}
	if told(e.Add("ada@acme.example", sallyport.Admin), http.Header{}) {
		t.Error("an admin is told")
	}
}

// unsure is a Store that loses its connection at a COMMIT. left counts down to that COMMIT.
type unsure struct {
	sallyport.Store
	left int
}

func (u *unsure) Write(ctx context.Context, fn func(sallyport.Tx) error) error {
	err := u.Store.Write(ctx, fn)
	if u.left--; u.left == 0 && err == nil {
		return sallyport.ErrUnknownOutcome
	}
	return err
}

// TestI11_NobodyKnows: if it is not known whether the new password was set, the page says so. It does not say that the
// link was already used.
func TestI11_NobodyKnows(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	store := &unsure{Store: e.Store}
	service := *e.Service
	service.Store = store
	node := s.Over(sallyport.New(service))

	_, owners := ownerOf(s)
	owners.Post("/admin/users/new", sallyporttest.Fields{"email": "ina@acme.example", "name": "Ina", "role": "member"})
	owners.Edit("/admin/access-control", sallyporttest.Fields{"invite_method": sallyport.InviteByPassword})
	owners.Post("/admin/users/new", sallyporttest.Fields{"email": "tom@acme.example", "name": "Tom", "role": "member"})
	words := strings.Fields(e.WaitingMails("tom@acme.example")[0].Text)
	toms := s.Visitor()
	for _, word := range words {
		if strings.Count(word, "-") == 4 {
			toms.Post("/sign-in", sallyporttest.Fields{"email": "tom@acme.example", "password": word})
		}
	}
	if toms.Page.Location != "/sign-in/password" {
		t.Fatalf("the temporary password: %d %s", toms.Page.Status, toms.Page.Location)
	}
	for path, v := range map[string]*sallyporttest.Visitor{
		requestReset(s, e.Owner.Address):                    s.Visitor(),
		s.MailedLink("invitation", "ina@acme.example").Path: s.Visitor(),
		"/sign-in/password":                                 toms,
	} {
		store.left = 2 // the first COMMIT only checks
		got := v.Through(node).Post(path, sallyporttest.Fields{"name": "Ina", "new_password": newPassword})
		if got.Status != http.StatusServiceUnavailable || !got.Has("does not know whether this was done") {
			t.Errorf("%.12s: %d %s", path, got.Status, got.Text())
		}
	}
}

// TestEveryLetterLeadsToAPage: each page that e-mails link to is in the route table.
func TestEveryLetterLeadsToAPage(t *testing.T) {
	paths := web.Paths()
	if err := paths.Check(); err != nil {
		t.Error(err)
	}
	for page, path := range paths {
		if strings.HasSuffix(path, "/") {
			path += "{token}"
		}
		if !slices.ContainsFunc(web.Routes(), func(r web.Route) bool { return r.Method == "GET" && r.Path == path }) {
			t.Errorf("%s: the route table does not have %s", page, path)
		}
	}
}

// TestOutcomesLinkToThePageThatHelps: pages say the same as the Service, and link to a page.
func TestOutcomesLinkToThePageThatHelps(t *testing.T) {
	for _, e := range []*sallyport.Error{sallyport.ErrRestricted, sallyport.ErrRaiserWithout} {
		said := web.Said(e)
		if plain := text.English.Text(said); !strings.HasPrefix(plain, text.English.Text(e.Text)) {
			t.Errorf("pages say %q, the Service %q", plain, text.English.Text(e.Text))
		}
		_, after, _ := strings.Cut(string(text.English.HTML(said)), `<a href="`)
		path, _, _ := strings.Cut(after, `"`)
		if !slices.ContainsFunc(web.Routes(), func(r web.Route) bool { return r.Method == "GET" && r.Path == path }) {
			t.Errorf("%s links to %q, which is no page", e.Code, path)
		}
	}
}
