package main

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/passkey"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// passkey signs people in who give nothing but a passkey: the assertion is checked, the challenge used up, the session
// created, the event written.
func (b *bench) passkey() error {
	keys := map[string]*sallyporttest.Passkey{}
	return b.paired("passkey", "1/s", func(round int) (float64, error) {
		_, users := b.group(round)
		if err := b.world.addPasskeys(context.Background(), users, keys); err != nil {
			return 0, err
		}
		cookies, forms := make([]string, len(users)), make([]string, len(users))
		for i, p := range users {
			var err error
			if cookies[i], forms[i], err = b.world.assertion(context.Background(), keys[p.id]); err != nil {
				return 0, err
			}
		}
		perSecond, done, err := rate(b.server.host, 0, len(users), 20*time.Second, func(c *client, i int) error {
			a, err := c.post("/sign-in", users[i].device+"; "+cookies[i], forms[i])
			return expect(a, err, 303, "session")
		})
		b.completed += done
		return perSecond, err
	}, b.requests)
}

// addPasskeys adds a passkey for each person who has none.
func (w *world) addPasskeys(ctx context.Context, users []person, keys map[string]*sallyporttest.Passkey) error {
	return w.store.Write(ctx, func(tx sallyport.Tx) error {
		for _, p := range users {
			if keys[p.id] != nil {
				continue
			}
			key := sallyporttest.NewPasskey(w.url, p.id)
			keys[p.id] = key
			if err := tx.InsertPasskey(sallyport.Passkey{
				Workspace: w.space, User: p.id, ID: newID("key_"), Name: "Bench", CreatedAt: time.Now(),
				Key: passkey.Key{ID: key.Key.ID, Public: key.Key.Key.AttestationData(), Model: make([]byte, 16)},
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// assertion returns the cookie and the form with which a passkey signs in.
func (w *world) assertion(ctx context.Context, key *sallyporttest.Passkey) (cookie, form string, err error) {
	site, err := url.Parse(w.url)
	if err != nil {
		return "", "", err
	}
	by, err := w.service.Arrive(ctx, sallyport.Arrival{Door: sallyport.DoorWeb, Host: site.Host, Address: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Agent: "Bench"})
	if err != nil {
		return "", "", err
	}
	options, visitor, err := w.service.EnterOptions(by, "")
	if err != nil {
		return "", "", err
	}
	credential, err := key.Answer(options)
	return "visitor=" + visitor.Reveal(), url.Values{"credential": {credential}}.Encode(), err
}

// approval asks for approval, approves in another browser, and signs in.
func (b *bench) approval() error {
	ctx := context.Background()
	if err := b.world.decide(ctx, func(p *sallyport.Policy) { p.Approvals = true }); err != nil {
		return err
	}
	return b.paired("approval", "1/s", func(round int) (float64, error) {
		first, users := b.group(round)
		cookies, err := b.world.challenges(ctx, users)
		if err != nil {
			return 0, err
		}
		const path = "/sign-in/2fa/approve"
		perSecond, done, err := rate(b.server.host, 0, len(users), 20*time.Second, func(c *client, i int) error {
			a, err := c.post(path, cookies[i], "")
			if err = expect(a, err, 303, ""); err != nil {
				return err
			}
			asked, err := b.world.asked(ctx, users[i])
			if err != nil {
				return err
			}
			a, err = c.post("/account/approvals/"+asked.ID, b.sessions[first+i], fmt.Sprintf("number=%d&answer=approve", asked.Number))
			if err = expect(a, err, 303, ""); err != nil {
				return err
			}
			a, err = c.get(path, cookies[i])
			return expect(a, err, 303, "session")
		})
		b.completed += done
		return perSecond, err
	}, b.requests)
}

// asked returns a person's request for approval, with the number that one of their browsers shows.
func (w *world) asked(ctx context.Context, p person) (a sallyport.Approval, err error) {
	return a, w.store.Read(ctx, func(tx sallyport.Tx) (err error) {
		a, _, err = tx.Approval(w.space, p.id)
		return err
	})
}
