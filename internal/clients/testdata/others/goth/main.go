// Client with github.com/markbates/goth, which sends neither PKCE nor a nonce.
package main

import (
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"

	"github.com/gorilla/sessions"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	"github.com/markbates/goth/providers/openidConnect"
)

func main() {
	gothic.Store = sessions.NewCookieStore([]byte("0123456789abcdef0123456789abcdef"))
	gothic.GetProviderName = func(*http.Request) (string, error) { return "openid-connect", nil }
	provider, err := openidConnect.New(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"), os.Getenv("ADDRESS")+"/callback",
		os.Getenv("ISSUER")+"/.well-known/openid-configuration", "profile", "email")
	if err != nil {
		log.Fatal(err)
	}
	goth.UseProviders(provider)
	people := map[string]goth.User{}
	person := func(r *http.Request) goth.User {
		c, err := r.Cookie("session")
		if err != nil {
			return goth.User{}
		}
		return people[c.Value]
	}
	http.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		p, err := gothic.CompleteUserAuth(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		id := rand.Text()
		people[id] = p
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/"})
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if p := person(r); p.UserID != "" {
			fmt.Fprintf(w, "Hello, %s", p.Email)
			return
		}
		gothic.BeginAuthHandler(w, r)
	})
	// The library has no parameter for this, so the app adds it to the address.
	http.HandleFunc("/payroll", func(w http.ResponseWriter, r *http.Request) {
		if p := person(r); p.RawData["acr"] == "aal2" {
			fmt.Fprint(w, "Payroll")
			return
		}
		to, err := gothic.GetAuthURL(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, to+"&acr_values=aal2", http.StatusFound)
	})
	http.HandleFunc("/sign-out", func(w http.ResponseWriter, r *http.Request) {
		q := url.Values{"id_token_hint": {person(r).IDToken}, "post_logout_redirect_uri": {os.Getenv("ADDRESS") + "/signed-out"}}
		http.Redirect(w, r, provider.OpenIDConfig.EndSessionEndpoint+"?"+q.Encode(), http.StatusFound)
	})
	http.HandleFunc("/signed-out", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Signed out") })
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
