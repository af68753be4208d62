package probe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/probe"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const workspace = "https://login.example.com"

var paths = probe.Paths{SignOut: "/.sallyport/sign-out", LeadsTo: workspace + "/sign-out", SignIn: workspace + "/sign-in?", Cookie: "sallyport_app"}

func TestProxy(t *testing.T) {
	asks := func(cookie bool, start int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == paths.SignOut {
				http.Redirect(w, r, paths.LeadsTo, http.StatusFound)
				return
			}
			if cookie {
				http.SetCookie(w, &http.Cookie{Name: paths.Cookie, Value: "x"})
			}
			if start == http.StatusFound {
				w.Header().Set("Location", paths.SignIn+"to=x")
			}
			w.WriteHeader(start)
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		good   []bool
		says   string
	}{
		"as it should be":   {asks(true, 302), []bool{true, true}, "with the cookie"},
		"no cookie":         {asks(false, 302), []bool{true, false}, "drops the cookie"},
		"a public start":    {asks(true, 200), []bool{true, true}, "without signing in (status 200)"},
		"no proxy":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }, []bool{false}, "without asking Sallyport (status 200)"},
		"the app redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, []bool{false}, "without asking Sallyport (status 302)"},
		"an error":          {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, []bool{false}, "the error 502"},
		"hangs up": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.Close()
			}
		}, []bool{false}, "Nothing answers"},
	} {
		t.Run(name, func(t *testing.T) {
			app := httptest.NewServer(test.answer)
			defer app.Close()
			found := probe.Proxy(t.Context(), app.URL, paths)
			var all []string
			for i, f := range found {
				all = append(all, text.English.Text(f.Says))
				if i >= len(test.good) || f.Good != test.good[i] {
					t.Errorf("finding %d is good: %v", i, f.Good)
				}
			}
			if said := strings.Join(all, "\n"); len(found) != len(test.good) || !strings.Contains(said, test.says) {
				t.Errorf("it says %s", said)
			}
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if found := probe.Proxy(t.Context(), gone.URL, paths); len(found) != 1 || found[0].Good {
		t.Errorf("nobody listens: %v", found)
	}
	if found := probe.Proxy(t.Context(), httptest.NewTLSServer(http.NotFoundHandler()).URL, paths); len(found) != 1 || !strings.Contains(text.English.Text(found[0].Says), "certificate") {
		t.Errorf("a wrong certificate: %v", found)
	}
}
