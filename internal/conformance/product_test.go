package conformance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestProduct runs the suite against Sallyport.
func TestProduct(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) { product(t, e).test(t) })
}

// product returns Sallyport as a Provider, for a person with an authenticator.
func product(t *testing.T, e *sallyporttest.Env) *Provider {
	s := sallyporttest.NewSite(t, e)
	ctx := context.Background()
	messages := newInbox(t)
	ada := s.Add("ada@acme.example", sallyport.Member)
	s.Visitor().Enrol(&ada, "Phone")
	client := func(name, algorithm string, optional, post bool) Client {
		a := sallyport.App{AppDetails: sallyport.AppDetails{Name: name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
		a.Client = sallyport.NewAppClient(redirectURI, queryURI)
		a.Client.Algorithm, a.Client.PKCEOptional, a.Client.PostLogoutURIs = algorithm, optional, []string{postLogoutURI}
		if name == "Main" {
			a.Client.BackchannelLogoutURI = messages.URL
		}
		a, err := s.CreateApp(ctx, s.Console(), a)
		s.Check(err)
		secret, err := s.NewClientSecret(ctx, s.Console(), a.ID)
		s.Check(err)
		return Client{ID: a.ID, Secret: secret.Reveal(), Algorithm: algorithm, Post: post, Challenge: !optional}
	}
	p := &Provider{
		Issuer: s.URL, Main: client("Main", "RS256", true, false), Posting: client("Posting", "ES256", true, true), Strict: client("Strict", "EdDSA", false, false),
		Now: s.Clock.Now, Wait: s.Clock.Advance, Messages: messages,
		Deliver: func() {
			for n, err := 1, error(nil); n > 0; {
				n, err = background.DeliverLogouts(ctx, s.Service)
				s.Check(err)
			}
		},
		Rotate: func() {
			_, err := s.RotateSigning(ctx, s.Console())
			s.Check(err)
		},
	}
	p.Fill = func(at *page) (*form, bool) { return fill(at, s.Clock, ada) }
	return p
}

// fill does on a page what the person would. Each code works once, so half a minute passes before it is read.
func fill(at *page, clock *sallyporttest.Clock, p sallyporttest.Person) (*form, bool) {
	for _, f := range at.forms {
		_, code := f.fields["code"]
		_, password := f.fields["password"]
		switch {
		case code:
			clock.Advance(30 * time.Second)
			f.values.Set("code", p.Code(clock.Now()))
		case password:
			f.values.Set("email", p.Address)
			f.values.Set("password", p.Password)
		case at.Path == "/sign-out", strings.HasPrefix(at.Path, "/apps/continue") && f.fields["answer"] != "":
			return f, true
		case at.Path == "/apps/continue" && f.values.Get("answer") == "yes":
			return f, true
		default:
			continue
		}
		f.proof = true
		return f, true
	}
	return nil, false
}
