package web_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestForeignForwarding: a proxy that nobody named is told to the owner, who can do something about it, and to nobody
// else.
func TestForeignForwarding(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	edges, err := edge.New(e.URL, nil, slog.New(slog.DiscardHandler))
	e.Check(err)
	pages, err := web.New(e.Service, edges, http.NotFoundHandler(), slog.New(slog.DiscardHandler), text.English)
	e.Check(err)
	told := func(p sallyporttest.Person, header http.Header) bool {
		v := s.Visitor()
		v.SignIn(p)
		r := httptest.NewRequest("GET", "/account", nil)
		r.Host = strings.TrimPrefix(e.URL, "http://")
		r.Header = header
		for name, value := range v.Cookies() {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		answer := httptest.NewRecorder()
		pages.ServeHTTP(answer, r)
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
