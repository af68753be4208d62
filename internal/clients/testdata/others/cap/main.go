// Client with github.com/hashicorp/cap.
package main

import (
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hashicorp/cap/oidc"
)

type person struct {
	Subject string `json:"sub"`
	Email   string `json:"email"`
	ACR     string `json:"acr"`
	token   string
}

type attempt struct {
	oidc.Request
	to string
}

func main() {
	callback := os.Getenv("ADDRESS") + "/callback"
	config, err := oidc.NewConfig(os.Getenv("ISSUER"), os.Getenv("CLIENT_ID"), oidc.ClientSecret(os.Getenv("CLIENT_SECRET")), []oidc.Alg{oidc.RS256}, []string{callback})
	if err != nil {
		log.Fatal(err)
	}
	provider, err := oidc.NewProvider(config)
	if err != nil {
		log.Fatal(err)
	}
	defer provider.Done()
	attempts, people := map[string]attempt{}, map[string]person{}
	who := func(r *http.Request) person {
		c, err := r.Cookie("session")
		if err != nil {
			return person{}
		}
		return people[c.Value]
	}
	begin := func(w http.ResponseWriter, r *http.Request, options ...oidc.Option) {
		verifier, err := oidc.NewCodeVerifier()
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, oidc.WithPKCE(verifier), oidc.WithScopes("profile", "email"))
		request, err := oidc.NewRequest(2*time.Minute, callback, options...)
		if err != nil {
			log.Fatal(err)
		}
		attempts[request.State()] = attempt{request, r.URL.Path}
		http.SetCookie(w, &http.Cookie{Name: "state", Value: request.State(), Path: "/"})
		to, err := provider.AuthURL(r.Context(), request)
		if err != nil {
			log.Fatal(err)
		}
		http.Redirect(w, r, to, http.StatusFound)
	}
	http.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		one, ok := attempts[r.FormValue("state")]
		if c, err := r.Cookie("state"); !ok || err != nil || c.Value != r.FormValue("state") {
			http.Error(w, "unknown state", http.StatusBadRequest)
			return
		}
		p := person{}
		token, err := provider.Exchange(r.Context(), one.Request, r.FormValue("state"), r.FormValue("code"))
		if err == nil {
			err = token.IDToken().Claims(&p)
		}
		if err == nil {
			var info map[string]any
			err = provider.UserInfo(r.Context(), token.StaticTokenSource(), p.Subject, &info)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		p.token = string(token.IDToken())
		id := rand.Text()
		people[id] = p
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/"})
		http.Redirect(w, r, one.to, http.StatusSeeOther)
	})
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if p := who(r); p.token != "" {
			fmt.Fprintf(w, "Hello, %s", p.Email)
			return
		}
		begin(w, r)
	})
	http.HandleFunc("/payroll", func(w http.ResponseWriter, r *http.Request) {
		if p := who(r); p.ACR == "aal2" {
			fmt.Fprint(w, "Payroll")
			return
		}
		begin(w, r, oidc.WithACRValues("aal2"), oidc.WithMaxAge(300))
	})
	http.HandleFunc("/sign-out", func(w http.ResponseWriter, r *http.Request) {
		q := url.Values{"id_token_hint": {who(r).token}, "post_logout_redirect_uri": {os.Getenv("ADDRESS") + "/signed-out"}}
		http.Redirect(w, r, os.Getenv("ISSUER")+"/oauth2/end-session?"+q.Encode(), http.StatusFound)
	})
	http.HandleFunc("/signed-out", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Signed out") })
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
