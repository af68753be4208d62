// Client with github.com/zitadel/oidc's rp.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

func main() {
	cookies := httphelper.NewCookieHandler([]byte("0123456789abcdef0123456789abcdef"), []byte("0123456789abcdef"), httphelper.WithUnsecure())
	party, err := rp.NewRelyingPartyOIDC(context.Background(), os.Getenv("ISSUER"), os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"),
		os.Getenv("ADDRESS")+"/callback", []string{"openid", "profile", "email"}, rp.WithCookieHandler(cookies), rp.WithPKCE(cookies))
	if err != nil {
		log.Fatal(err)
	}
	people := map[string]*oidc.Tokens[*oidc.IDTokenClaims]{}
	person := func(r *http.Request) *oidc.Tokens[*oidc.IDTokenClaims] {
		c, err := r.Cookie("session")
		if err != nil {
			return nil
		}
		return people[c.Value]
	}
	begin := func(w http.ResponseWriter, r *http.Request, options ...rp.URLParamOpt) {
		rp.AuthURLHandler(func() string { return rand.Text() + r.URL.Path }, party, options...)(w, r)
	}
	got := func(w http.ResponseWriter, r *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], state string, _ rp.RelyingParty, info *oidc.UserInfo) {
		id := rand.Text()
		tokens.IDTokenClaims.Email = info.Email
		people[id] = tokens
		http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/"})
		http.Redirect(w, r, state[26:], http.StatusSeeOther)
	}
	http.Handle("/callback", rp.CodeExchangeHandler(rp.UserinfoCallback(got), party))
	http.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if p := person(r); p != nil {
			fmt.Fprintf(w, "Hello, %s", p.IDTokenClaims.Email)
			return
		}
		begin(w, r)
	})
	http.HandleFunc("/payroll", func(w http.ResponseWriter, r *http.Request) {
		if p := person(r); p != nil && p.IDTokenClaims.AuthenticationContextClassReference == "aal2" {
			fmt.Fprint(w, "Payroll")
			return
		}
		begin(w, r, rp.WithURLParam("acr_values", "aal2"))
	})
	http.HandleFunc("/sign-out", func(w http.ResponseWriter, r *http.Request) {
		to, err := rp.EndSession(r.Context(), party, person(r).IDToken, os.Getenv("ADDRESS")+"/signed-out", "state", "", nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, to.String(), http.StatusFound)
	})
	http.HandleFunc("/signed-out", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "Signed out") })
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
