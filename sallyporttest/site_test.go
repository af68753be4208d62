package sallyporttest_test

import (
	"net/http"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestSite(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		site := sallyporttest.NewSite(t, e)
		p := e.Add("mia@acme.example", sallyport.Member)
		v := site.Visitor()
		v.Enrol(&p, "Pixel")
		if !v.Page.Has("Pixel") || v.Page.Status != http.StatusOK {
			t.Fatalf("after enrolling: %d %s", v.Page.Status, v.Page.Text())
		}
		if w := site.Visitor(); w.GivePassword(p).Location != "/sign-in/2fa" || w.SignedIn() {
			t.Fatalf("password: %d %s", w.Page.Status, w.Page.Location)
		}
		other := site.Visitor().Through(site.Node()).From("203.0.113.7")
		other.SignIn(p)
		if !other.Fork().Through(site).SignedIn() {
			t.Fatal("a session made on one node is not one on the other")
		}
		if got := other.Get("/session"); got.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%v", got.Header)
		}
	})
}
