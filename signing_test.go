package sallyport_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/internal/background"
	"github.com/sallyport-2fa/sallyport/internal/jose"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// signed returns a token of the first workspace, which ends in ten minutes.
func signed(e *sallyporttest.Env, s *sallyport.Service, a jose.Algorithm) string {
	e.T.Helper()
	token, err := s.Sign(context.Background(), e.Console().Workspace(), a, jose.JWT, map[string]any{"sub": "mia", "exp": e.Clock.Now().Add(10 * time.Minute).Unix()})
	e.Check(err)
	return token
}

// kid returns the name of the key that signed a token, which another library verifies with the published keys.
func kid(e *sallyporttest.Env, s *sallyport.Service, token string) (string, error) {
	e.T.Helper()
	set, err := s.SigningKeys(context.Background(), e.Console())
	e.Check(err)
	keys, _ := jose.ParseSet(set) // which may be empty
	id := ""
	_, err = jwt.NewParser(jwt.WithTimeFunc(e.Clock.Now)).Parse(token, func(t *jwt.Token) (any, error) {
		id = t.Header["kid"].(string)
		for _, k := range keys {
			if k.ID() == id {
				return cryptoKey(e, k), nil
			}
		}
		return nil, errors.New("the key is not published")
	})
	return id, err
}

// cryptoKey reads a key as another library would.
func cryptoKey(e *sallyporttest.Env, k jose.PublicKey) any {
	text, err := json.Marshal(k)
	e.Check(err)
	key, err := readJWK(text)
	e.Check(err)
	return key
}

// publishedIDs returns the names of the published keys.
func publishedIDs(e *sallyporttest.Env, s *sallyport.Service) (ids []string) {
	e.T.Helper()
	set, err := s.SigningKeys(context.Background(), e.Console())
	e.Check(err)
	var parsed struct{ Keys []struct{ Kid string } }
	e.Check(json.Unmarshal(set, &parsed))
	for _, k := range parsed.Keys {
		ids = append(ids, k.Kid)
	}
	return ids
}

// TestFirstKeyOnTwoNodes: of two nodes that need the first key at the same time, one creates it, and both sign with it.
func TestFirstKeyOnTwoNodes(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		nodes := []*sallyport.Service{e.Service, e.Node(e.Keys)}
		if ids := publishedIDs(e, e.Service); len(ids) != 0 {
			t.Errorf("keys before they are needed: %q", ids)
		}
		for i, a := range jose.Algorithms {
			tokens := make([]string, 8)
			var all sync.WaitGroup
			for j := range tokens {
				all.Go(func() { tokens[j] = signed(e, nodes[j%2], a) })
			}
			all.Wait()
			first, err := kid(e, nodes[0], tokens[0])
			e.Check(err)
			for j, token := range tokens {
				if id, err := kid(e, nodes[1-j%2], token); err != nil || id != first {
					t.Errorf("%s, token %d: key %s, not %s: %v", a, j, id, first, err)
				}
			}
			if n := len(publishedIDs(e, nodes[1])); n != i+1 {
				t.Errorf("%s: %d keys are published", a, n)
			}
		}
		if rows := e.Query(`SELECT actor_kind FROM events WHERE kind = 'signing_key.created'`); len(rows) != len(jose.Algorithms) || rows[0][0] != "system" {
			t.Errorf("events: %q", rows)
		}
	})
}

// TestSigningKeysChange follows one key from the first token to its removal, on two nodes.
func TestSigningKeysChange(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		a, b := e.Service, e.Node(e.Keys)
		w := e.Console().Workspace()
		run := func() {
			t.Helper()
			var all sync.WaitGroup
			for _, node := range []*sallyport.Service{a, b} {
				all.Go(func() { e.Check(node.ScheduleSigning(ctx)) })
			}
			all.Wait()
		}
		signs := func() string {
			t.Helper()
			var id string
			for _, node := range []*sallyport.Service{a, b} {
				got, err := kid(e, node, signed(e, node, jose.ES256))
				e.Check(err)
				if id != "" && got != id {
					t.Errorf("two keys sign: %s and %s", id, got)
				}
				id = got
			}
			return id
		}
		is := func(when string, want ...string) {
			t.Helper()
			for _, node := range []*sallyport.Service{a, b} {
				if got := publishedIDs(e, node); !slices.Equal(got, want) {
					t.Errorf("%s: %q are published, not %q", when, got, want)
				}
			}
		}

		first := signs()
		e.Clock.Advance(sallyport.SigningPeriod - sallyport.SigningNotice - time.Second)
		run()
		is("before it is time", first)

		e.Clock.Advance(time.Second)
		signs() // both nodes have just read the keys
		run()
		both := publishedIDs(e, a)
		if len(both) != 2 || both[0] != first {
			t.Fatalf("a day before: %q", both)
		}
		next := both[1]
		is("a day before", first, next)
		run()
		is("a day before, again", first, next)
		if got := signs(); got != first {
			t.Errorf("%s signs before its time", got)
		}

		e.Clock.Advance(sallyport.SigningNotice - time.Second)
		last := signed(e, b, jose.ES256)
		if id, err := kid(e, a, last); id != first || err != nil {
			t.Errorf("a second before: %s signs, %v", id, err)
		}
		e.Clock.Advance(time.Second)
		if got := signs(); got != next {
			t.Errorf("%s signs after its time", got)
		}
		e.Clock.Advance(10*time.Minute - 2*time.Second)
		run()
		if _, err := kid(e, a, last); err != nil {
			t.Errorf("the last token of the old key: %v", err)
		}
		if _, err := b.VerifyOwn(ctx, w, last, false); err != nil {
			t.Errorf("the last token of the old key: %v", err)
		}
		e.Clock.Advance(2 * time.Second)
		if _, err := b.VerifyOwn(ctx, w, last, false); !errors.Is(err, sallyport.ErrTokenExpired) {
			t.Errorf("an expired token: %v", err)
		}
		is("after it", first, next)

		e.Clock.Advance(sallyport.SigningNotice - 10*time.Minute)
		run()
		is("a day after", next)
		e.Clock.Advance(sallyport.SigningKept - sallyport.SigningNotice - time.Second)
		run()
		if _, err := a.VerifyOwn(ctx, w, last, true); err != nil {
			t.Errorf("the hint of a session that may still last: %v", err)
		}
		e.Clock.Advance(time.Second)
		run()
		e.Clock.Advance(2 * sallyport.SigningAge)
		if _, err := a.VerifyOwn(ctx, w, last, true); !errors.Is(err, sallyport.ErrTokenInvalid) {
			t.Errorf("after the removal: %v", err)
		}
		is("after the removal", next)
		if rows := e.Query(`SELECT kind FROM events WHERE kind LIKE 'signing_key%' ORDER BY at`); len(rows) != 3 || rows[2][0] != "signing_key.removed" {
			t.Errorf("events: %q", rows)
		}
		e.Check(audit.Seal(ctx, a))
		_, err := audit.Verify(ctx, a, e.Console(), func(f audit.Finding) { t.Error(f) })
		e.Check(err)
	})
}

// TestSigningKeysChangeBySchedule: background work creates the next key without being asked.
func TestSigningKeysChangeBySchedule(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		signed(e, e.Service, jose.ES256)
		e.Clock.Advance(sallyport.SigningPeriod)
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		done := make(chan bool)
		go func() {
			background.Run(ctx, e.Service)
			close(done)
		}()
		for len(publishedIDs(e, e.Service)) < 2 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if ctx.Err() != nil {
			t.Error("there is no next key")
		}
		stop()
		<-done
	})
}

// TestRotateSigning: an administrator of the server begins a change, once, and only they can.
func TestRotateSigning(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		server := e.Node(e.Keys)
		if all, err := e.RotateSigning(ctx, e.Console()); len(all) != 0 || err != nil {
			t.Errorf("without keys: %v, %v", all, err)
		}
		first, err := kid(e, server, signed(e, server, jose.ES256))
		e.Check(err)
		signed(e, server, jose.EdDSA)
		all, err := e.RotateSigning(ctx, e.Console())
		if err != nil || len(all) != 2 || all[0].Algorithm != "ES256" || all[0].Previous != first || all[0].SignsFrom.Sub(e.Clock.Now()) != sallyport.SigningNotice ||
			all[0].HiddenAt.Sub(all[0].SignsFrom) != sallyport.SigningNotice {
			t.Fatalf("%+v, %v", all, err)
		}
		if ids := publishedIDs(e, server); len(ids) != 4 || !slices.Contains(ids, all[0].Next) {
			t.Errorf("published: %q", ids)
		}
		e.Clock.Advance(time.Hour)
		if again, err := e.RotateSigning(ctx, e.Console()); err != nil || !slices.Equal(again, all) {
			t.Errorf("again: %+v, %v", again, err)
		}
		e.Clock.Set(all[0].SignsFrom)
		if id, err := kid(e, server, signed(e, server, jose.ES256)); id != all[0].Next || err != nil {
			t.Errorf("%s signs, %v", id, err)
		}
		if rows := e.Query(`SELECT actor_kind FROM events WHERE kind = 'signing_key.created' ORDER BY actor_kind`); len(rows) != 4 || rows[1][0] != "console" || rows[2][0] != "system" {
			t.Errorf("events: %q", rows)
		}
		owner := e.Owner
		if _, err := e.RotateSigning(ctx, e.Enrol(&owner, "Owner's").By()); !errors.Is(err, sallyport.ErrNotAllowed) {
			t.Errorf("an owner: %v", err)
		}
	})
}

// TestSchedule: the schedule for one algorithm, also after the clock was set back or stood still for long.
func TestSchedule(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		from      []time.Duration // when each key begins to sign, from now
		gone      []string
		published []string
		signs     string
		due       bool
	}{
		"new":                        {[]time.Duration{0}, nil, []string{"1"}, "1", false},
		"after 88 days":              {[]time.Duration{-88 * day}, nil, []string{"1"}, "1", false},
		"after 89 days":              {[]time.Duration{-89 * day}, nil, []string{"1"}, "1", true},
		"no node ran for a year":     {[]time.Duration{-365 * day}, nil, []string{"1"}, "1", true},
		"the next is published":      {[]time.Duration{-89 * day, day}, nil, []string{"1", "2"}, "1", false},
		"the next has just begun":    {[]time.Duration{-90 * day, 0}, nil, []string{"1", "2"}, "2", false},
		"half a day later":           {[]time.Duration{-90 * day, -12 * time.Hour}, nil, []string{"1", "2"}, "2", false},
		"a day later":                {[]time.Duration{-91 * day, -day}, nil, []string{"2"}, "2", false},
		"eight days later":           {[]time.Duration{-98 * day, -8 * day}, []string{"1"}, []string{"2"}, "2", false},
		"three at once":              {[]time.Duration{-3 * day, -12 * time.Hour, 12 * time.Hour}, nil, []string{"1", "2", "3"}, "2", false},
		"several to remove":          {[]time.Duration{-40 * day, -30 * day, -20 * day}, []string{"1", "2"}, []string{"3"}, "3", false},
		"the first, clock set back":  {[]time.Duration{time.Hour}, nil, []string{"1"}, "1", true},
		"a clock that differs":       {[]time.Duration{time.Second}, nil, []string{"1"}, "1", false},
		"the next, clock set back":   {[]time.Duration{-time.Hour, 400 * day}, []string{"2"}, []string{"1", "2"}, "1", false},
		"the next of a clock ahead":  {[]time.Duration{-89 * day, day + time.Second}, nil, []string{"1", "2"}, "1", false},
		"a year back":                {[]time.Duration{-89 * day, 365 * day}, []string{"2"}, []string{"1", "2"}, "1", true},
		"all of them, a year back":   {[]time.Duration{365 * day, 450 * day}, []string{"2"}, []string{"1", "2"}, "1", true},
		"replaced after a year back": {[]time.Duration{365 * day, 0}, nil, []string{"1", "2"}, "2", false},
		"and nine days later":        {[]time.Duration{356 * day, -9 * day}, []string{"1"}, []string{"2"}, "2", false},
	} {
		var keys []sallyport.SigningKey
		for i, from := range test.from {
			keys = append(keys, sallyport.SigningKey{ID: strconv.Itoa(i + 1), Number: int64(i + 1), SignsFrom: now.Add(from)})
		}
		gone, published, signs, due := sallyport.Schedule(keys, now)
		if !slices.Equal(gone, test.gone) || !slices.Equal(published, test.published) || signs != test.signs || due != test.due {
			t.Errorf("%s: %q are gone, %q published, %s signs, the next is due: %t", name, gone, published, signs, due)
		}
	}
}

// TestVerifyOwn: only tokens of the same workspace are its own, whatever they say about themselves.
func TestVerifyOwn(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		e.Clock.Advance(time.Second) // so that Acme is the first
		e.Check(e.AddWorkspace(ctx, "", "globex.localhost", sallyport.FirstOwner{Workspace: "Globex", Name: "Gina", Address: "gina@globex.example", Password: sallyporttest.Password}))
		by, err := e.Service.Console(ctx, "globex.localhost")
		e.Check(err)
		acme, globex := e.Console().Workspace(), by.Workspace()
		node := e.Node(e.Keys)
		signed(e, node, jose.ES256)
		token := signed(e, e.Service, jose.RS256)
		if _, err := node.VerifyOwn(ctx, acme, token, false); err != nil {
			t.Errorf("a key that another node has just created: %v", err)
		}
		other, err := e.Sign(ctx, globex, jose.RS256, jose.JWT, map[string]int64{"exp": e.Clock.Now().Unix() + 60})
		e.Check(err)
		logout, err := e.Sign(ctx, acme, jose.RS256, jose.LogoutToken, map[string]int64{"exp": e.Clock.Now().Unix() + 60})
		e.Check(err)
		endless, err := e.Sign(ctx, acme, jose.RS256, jose.JWT, map[string]string{"sub": "mia"})
		e.Check(err)
		for name, test := range map[string]struct {
			w     sallyport.Workspace
			token string
			want  error
		}{
			"its own":                        {acme, token, nil},
			"the other's own":                {globex, other, nil},
			"of another workspace":           {globex, token, sallyport.ErrTokenInvalid},
			"the other way round":            {acme, other, sallyport.ErrTokenInvalid},
			"of another type":                {acme, logout, sallyport.ErrTokenInvalid},
			"without an end":                 {acme, endless, sallyport.ErrTokenInvalid},
			"not a token":                    {acme, "token", sallyport.ErrTokenInvalid},
			"empty":                          {acme, "", sallyport.ErrTokenInvalid},
			"of a workspace without any key": {sallyport.Workspace{ID: "wsp_none"}, token, sallyport.ErrTokenInvalid},
		} {
			if claims, err := e.Node(e.Keys).VerifyOwn(ctx, test.w, test.token, false); !errors.Is(err, test.want) || err == nil && len(claims) == 0 {
				t.Errorf("%s: %s, %v", name, claims, err)
			}
		}
	})
}

// TestSigningKeysAreCached: tokens cost no read while the copy of the keys is fresh, and no key is unsealed twice.
func TestSigningKeysAreCached(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		signed(e, e.Service, jose.ES256)
		e.Exec(`UPDATE signing_keys SET private = $1`, []byte("nothing that opens"))
		signed(e, e.Service, jose.ES256)
		e.Clock.Advance(2 * sallyport.SigningAge)
		signed(e, e.Service, jose.ES256)
		if _, err := e.Node(e.Keys).Sign(ctx, e.Console().Workspace(), jose.ES256, jose.JWT, map[string]int{}); err == nil {
			t.Error("another node signs with a key that it could not open")
		}
		e.Exec(`DELETE FROM signing_keys`)
		token := signed(e, e.Service, jose.ES256)
		if _, err := kid(e, e.Service, token); err == nil {
			t.Error("the keys were read for each token, or are published from memory")
		}
		e.Clock.Advance(-2 * sallyport.SigningAge)
		if _, err := kid(e, e.Service, signed(e, e.Service, jose.ES256)); err != nil {
			t.Errorf("a copy from the future was used: %v", err)
		}
	})
}
