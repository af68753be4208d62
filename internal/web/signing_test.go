package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// storeSigningKey gives a workspace a signing key, as the Service does when an app first needs one.
func storeSigningKey(e *sallyporttest.Env, workspace, id string, a jose.Algorithm, number int64, from time.Time) {
	e.T.Helper()
	private, err := jose.Generate(a)
	e.Check(err)
	signer, err := jose.Load(id, private)
	e.Check(err)
	public, err := signer.Public().MarshalJSON()
	e.Check(err)
	k := sallyport.SigningKey{Workspace: workspace, ID: id, Algorithm: a, Number: number, Public: string(public), CreatedAt: from, SignsFrom: from}
	k.Private, err = e.Keys.Seal(private, k.AD())
	e.Check(err)
	e.Check(e.Store.Write(context.Background(), func(tx sallyport.Tx) error {
		_, err := tx.InsertSigningKey(k)
		return err
	}))
}

// TestSigningKeys: anyone may read the public keys of a workspace at its host, and no others.
func TestSigningKeys(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		s := sallyporttest.NewSite(t, e)
		now := e.Clock.Now()
		e.Clock.Advance(time.Second)
		host := "globex." + strings.TrimPrefix(s.URL, "http://")
		e.Check(e.AddWorkspace(ctx, "", host, sallyport.FirstOwner{Workspace: "Globex", Name: "Gus", Address: "gus@globex.example", Password: sallyporttest.Password}))
		globex, err := e.Service.Console(ctx, host)
		e.Check(err)
		acme := e.Console().Workspace().ID
		for i, a := range jose.Algorithms {
			storeSigningKey(e, acme, "acme_"+string(a), a, 1, now.Add(-time.Duration(i)*time.Hour))
		}
		storeSigningKey(e, acme, "acme_next", jose.ES256, 2, now.Add(time.Hour))
		storeSigningKey(e, globex.Workspace().ID, "globex_old", jose.RS256, 1, now.Add(-100*24*time.Hour))
		storeSigningKey(e, globex.Workspace().ID, "globex_RS256", jose.RS256, 2, now.Add(-10*24*time.Hour))

		const path = "/.well-known/jwks.json"
		read := func(v *sallyporttest.Visitor) (ids string) {
			t.Helper()
			got := v.Send(sallyporttest.Request{Method: http.MethodGet, Target: path, Header: http.Header{
				"Origin": {"https://app.example"}, "Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"cors"},
			}})
			for name, want := range map[string]string{
				"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff",
			} {
				if h := got.Header.Values(name); len(h) != 1 || h[0] != want {
					t.Errorf("%s: %q", name, h)
				}
			}
			if got.Status != http.StatusOK || len(got.Cookies) > 0 || strings.Contains(got.Body, `"d"`) {
				t.Errorf("%d %v %s", got.Status, got.Cookies, got.Body)
			}
			keys, err := jose.ParseSet([]byte(got.Body))
			e.Check(err)
			for _, k := range keys {
				ids += " " + k.ID()
			}
			return ids
		}
		owner := s.Visitor()
		owner.SignIn(e.Owner)
		for name, v := range map[string]*sallyporttest.Visitor{"a stranger": s.Visitor(), "the owner": owner} {
			if got := read(v); got != " acme_ES256 acme_next acme_EdDSA acme_RS256" {
				t.Errorf("%s: %s", name, got)
			}
		}
		if got := read(s.Visitor().At("http://" + host)); got != " globex_RS256" {
			t.Errorf("Globex: %s", got)
		}
		if got := s.Visitor().At(strings.Replace(s.URL, "localhost", "nowhere.localhost", 1)).Get(path); got.Status != http.StatusMisdirectedRequest {
			t.Errorf("an unknown host: %d", got.Status)
		}
		if got := s.Visitor().Post(path, nil); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("a post: %d", got.Status)
		}
		e.Exec(`DELETE FROM signing_keys`)
		if got := s.Visitor().Get(path); got.Status != http.StatusOK || got.Body != `{"keys":[]}` {
			t.Errorf("without keys: %d %s", got.Status, got.Body)
		}
		e.Exec(`DROP TABLE signing_keys`)
		if got := s.Visitor().Get(path); got.Status < 500 || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("a fault: %d %s", got.Status, got.Header.Get("Cache-Control"))
		}
	})
}
