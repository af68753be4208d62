package sallyport_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/passwd"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var recoveryModes = []string{sallyport.RecoveryRolling, sallyport.RecoveryOnce}

func recoveryMode(e *sallyporttest.Env, mode string) {
	e.T.Helper()
	e.Exec(`UPDATE policies SET recovery_code_mode = $1`, mode)
}

// atChallenge returns a new browser in which the person has entered the password, on a node.
func atChallenge(e *sallyporttest.Env, node *sallyport.Service, p sallyporttest.Person) *sallyporttest.Client {
	e.T.Helper()
	b := e.Arriving()
	result, err := node.SignIn(context.Background(), b.By(), p.Address, p.Password)
	e.Check(err)
	if result.Step != sallyport.StepCode {
		e.T.Fatalf("the password leads to %q", result.Step)
	}
	b.Keep(result)
	return b
}

// withRecoveryCode signs the person in with a recovery code.
func withRecoveryCode(e *sallyporttest.Env, p sallyporttest.Person, code string) (*sallyporttest.Client, error) {
	e.T.Helper()
	b := atChallenge(e, e.Service, p)
	result, err := e.AnswerCode(context.Background(), b.By(), code, false)
	b.Keep(result)
	return b, err
}

// otherCode returns a code in the right format that differs from this one.
func otherCode(code string) string {
	if code[0] == 'A' {
		return "B" + code[1:]
	}
	return "A" + code[1:]
}

// otherWorkspace creates Globex, and returns a recovery code of a person there with the given address.
func otherWorkspace(e *sallyporttest.Env, address string) string {
	e.T.Helper()
	ctx := context.Background()
	host := strings.ReplaceAll(address, "@", ".") + e.URL[len("http://localhost"):]
	e.Check(e.AddWorkspace(ctx, "", host, sallyport.FirstOwner{Workspace: "Globex", Name: "Olga", Address: address, Password: sallyporttest.Password}))
	b := e.Arriving()
	b.Host = host
	result, err := e.SignIn(ctx, b.By(), address, sallyporttest.Password)
	e.Check(err)
	b.Keep(result)
	e.Check(e.StartSetUp(ctx, b.By(), "Pixel", ""))
	d, err := e.SetUp(ctx, b.By())
	e.Check(err)
	result, err = e.ConfirmSetUp(ctx, b.By(), d.Draft, codeFor(e, d.Key))
	e.Check(err)
	return result.RecoveryCodes[0].Reveal()
}

// codeFor returns the code that an authenticator with this key shows now.
func codeFor(e *sallyporttest.Env, key sallyport.Secret) string {
	e.T.Helper()
	secret, err := otp.DecodeSecret(key.Reveal())
	e.Check(err)
	return sallyporttest.Person{Secret: secret}.Code(e.Clock.Now())
}

func TestRecoveryCodeSituations(t *testing.T) {
	ctx := context.Background()
	type env = sallyporttest.Env
	type person = sallyporttest.Person
	plain := func(change func(string) string) func(*env, person) string {
		return func(_ *env, p person) string { return change(p.RecoveryCodes[3]) }
	}
	wide := strings.NewReplacer("0", "０", "1", "１", "A", "Ａ", "B", "ｂ", "-", "－")
	situations := []struct {
		name  string
		typed func(*env, person) string
		want  error
	}{
		{"as it is shown", plain(strings.Clone), nil},
		{"in lower case", plain(strings.ToLower), nil},
		{"without dashes", plain(func(c string) string { return strings.ReplaceAll(c, "-", "") }), nil},
		{"with spaces and a line end", plain(func(c string) string { return " " + strings.ReplaceAll(c, "-", "  ") + "\r\n" }), nil},
		{"with invisible characters", plain(func(c string) string { return "\u200b" + strings.ReplaceAll(c, "-", "\u2013\u00ad\ufeff") }), nil},
		{"O for 0, I for 1", plain(strings.NewReplacer("0", "O", "1", "I").Replace), nil},
		{"o for 0, l for 1", plain(strings.NewReplacer("0", "o", "1", "l").Replace), nil},
		{"in wide characters", plain(wide.Replace), nil},
		{"with a U", plain(func(c string) string { return "U" + c[1:] }), sallyport.ErrAnswerMalformed},
		{"one character short", plain(func(c string) string { return "A" + c[2:] }), sallyport.ErrAnswerMalformed},
		{"one character more", plain(func(c string) string { return c + "A" }), sallyport.ErrAnswerMalformed},
		{"far too long", plain(func(c string) string { return c + strings.Repeat(" ", 300) }), sallyport.ErrAnswerMalformed},
		{"with a NUL", plain(func(c string) string { return c + "\x00" }), sallyport.ErrAnswerMalformed},
		{"nothing", plain(func(string) string { return "" }), sallyport.ErrCodeMalformed},
		{"another code", plain(otherCode), sallyport.ErrRecoveryWrong},
		{"another person's", func(e *env, p person) string {
			other := e.Add("other."+p.Address, sallyport.Member)
			e.Enrol(&other, "Pixel")
			return other.RecoveryCodes[0]
		}, sallyport.ErrRecoveryWrong},
		{"of the same address in another workspace", func(e *env, p person) string { return otherWorkspace(e, p.Address) }, sallyport.ErrRecoveryWrong},
		{"set replaced", func(e *env, p person) string {
			b := signedIn(e, p)
			_, err := e.RegenerateRecoveryCodes(ctx, b.By())
			e.Check(err)
			return p.RecoveryCodes[0]
		}, sallyport.ErrRecoveryWrong},
		{"the set that replaced it", func(e *env, p person) string {
			b := signedIn(e, p)
			result, err := e.RegenerateRecoveryCodes(ctx, b.By())
			e.Check(err)
			return result.RecoveryCodes[0].Reveal()
		}, nil},
		{"no tries left", func(e *env, p person) string {
			wrongRecoveryCodes(e, p, 10)
			return p.RecoveryCodes[0]
		}, sallyport.ErrRecoveryLimit},
		{"nine tries gone", func(e *env, p person) string {
			wrongRecoveryCodes(e, p, 9)
			return p.RecoveryCodes[0]
		}, nil},
		{"an hour after the last try", func(e *env, p person) string {
			wrongRecoveryCodes(e, p, 10)
			e.Clock.Advance(time.Hour)
			return p.RecoveryCodes[0]
		}, nil},
		{"codes locked", func(e *env, p person) string {
			e.Exec(`INSERT INTO tries (workspace_id, subject, bucket, count, in_row, since, last) VALUES ($1, $2, 'code', 10, 10, 1, 1)`, p.Workspace, p.ID)
			return p.RecoveryCodes[0]
		}, nil},
	}
	sallyporttest.Each(t, func(t *testing.T, all *sallyporttest.Env) {
		for i, test := range situations {
			for _, mode := range recoveryModes {
				recoveryMode(all, mode)
				t.Run(mode+"/"+test.name, func(t *testing.T) {
					e := *all
					e.T = t
					p := e.Add(fmt.Sprintf("mia.%d@%s.example", i, mode), sallyport.Member)
					e.Enrol(&p, "Pixel")
					typed := test.typed(&e, p)
					b, err := withRecoveryCode(&e, p, typed)
					if !errors.Is(err, test.want) {
						t.Fatalf("got %v, want %v", err, test.want)
					}
					ses, ok := b.By().Session()
					if ok != (test.want == nil) || ok && !ses.Restricted() {
						t.Fatalf("a session %v, restricted %v", ok, ses.Restricted())
					}
				})
			}
		}
	})
}

// signedIn returns a browser in which the person has signed in with a code.
func signedIn(e *sallyporttest.Env, p sallyporttest.Person) *sallyporttest.Client {
	e.T.Helper()
	b := e.Arriving()
	signIn(e, b, p, false)
	return b
}

// wrongRecoveryCodes enters n wrong recovery codes, each in a new browser.
func wrongRecoveryCodes(e *sallyporttest.Env, p sallyporttest.Person, n int) {
	e.T.Helper()
	for range n {
		if _, err := withRecoveryCode(e, p, otherCode(p.RecoveryCodes[0])); !errors.Is(err, sallyport.ErrRecoveryWrong) {
			e.T.Fatalf("a wrong code: %v", err)
		}
	}
}

func TestRecoveryCodeTooLate(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		b := atChallenge(e, e.Service, p)
		e.Clock.Advance(sallyport.SignInLimit)
		if _, err := e.AnswerCode(context.Background(), b.By(), p.RecoveryCodes[0], false); !errors.Is(err, sallyport.ErrSignInEnded) {
			t.Fatalf("after ten minutes: %v", err)
		}
		if _, err := withRecoveryCode(e, p, p.RecoveryCodes[0]); err != nil {
			t.Fatalf("in time: %v", err)
		}
	})
}

func TestRecoveryCodePassesWithoutItsKeyset(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		keys, err := seal.Generate()
		e.Check(err)
		e.Service = sallyport.New(sallyport.Service{
			Store: e.Store, Keys: keys, Now: e.Clock.Now, Hasher: passwd.NewHasher(1, 8), Hash: sallyporttest.Cheap, Log: e.Log, URL: e.URL, Paths: e.Paths,
		})
		ctx := context.Background()
		b := atChallenge(e, e.Service, p)
		if _, err := e.AnswerCode(ctx, b.By(), p.Code(e.Clock.Now()), false); !errors.Is(err, sallyport.ErrKeyUnreadable) {
			t.Fatalf("the authenticator: %v", err)
		}
		if _, err := withRecoveryCode(e, p, p.RecoveryCodes[0]); err != nil {
			t.Fatalf("the recovery code: %v", err)
		}
	})
}

func TestRecoveryCodeTellsItsUser(t *testing.T) {
	for _, mode := range recoveryModes {
		t.Run(mode, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				recoveryMode(e, mode)
				e.Exec(`UPDATE policies SET recovery_code_count = 5`)
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				for i, code := range p.RecoveryCodes {
					e.Clock.Advance(time.Second) // so that mails have an order
					b, err := withRecoveryCode(e, p, code)
					e.Check(err)
					left, low := 5, false
					if mode == sallyport.RecoveryOnce {
						left = 4 - i
						low = left <= 2
					}
					u, _ := b.By().User()
					if u.RecoveryLeft != left || u.RecoveryCount != 5 || u.RecoveryLow(b.By().Policy()) != low {
						t.Fatalf("after %d: %d of %d, low %v", i+1, u.RecoveryLeft, u.RecoveryCount, u.RecoveryLow(b.By().Policy()))
					}
					unused := e.Query(`SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at = 0`, p.ID)
					if unused[0][0] != fmt.Sprint(left) {
						t.Fatalf("after %d there are %s, and the user has %d", i+1, unused[0][0], left)
					}
					mail := lastMail(e, "recovery_code.used")
					if !strings.Contains(mail, fmt.Sprintf("You have %d recovery code", left)) {
						t.Fatalf("the mail says %q", mail)
					}
				}
				if n := len(e.Query(`SELECT id FROM events WHERE kind = 'recovery_code.used' AND subject = $1 AND result = 'done'`, p.ID)); n != 5 {
					t.Fatalf("%d events", n)
				}
			})
		})
	}
}

// lastMail returns the text of the newest mail of a kind.
func lastMail(e *sallyporttest.Env, kind string) string {
	e.T.Helper()
	var body string
	e.Check(e.Store.Read(context.Background(), func(tx sallyport.Tx) error {
		all, err := tx.Mails(e.Owner.Workspace, "", "", 100)
		for _, m := range all {
			if m.Kind == kind {
				b, err := e.OpenMail(m)
				if err != nil {
					return err
				}
				body = b.Text
			}
		}
		return err
	}))
	return body
}

func TestI09_RecoveryCodeOnce(t *testing.T) {
	for _, mode := range recoveryModes {
		t.Run(mode, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				recoveryMode(e, mode)
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				nodes := []*sallyport.Service{e.Service, e.Node(e.Keys)}
				const n = 8
				outcomes := make([]error, n)
				var all sync.WaitGroup
				for i := range n {
					node := nodes[i%2]
					b := atChallenge(e, node, p)
					by := b.By()
					all.Go(func() {
						_, outcomes[i] = node.AnswerCode(context.Background(), by, p.RecoveryCodes[0], false)
					})
				}
				all.Wait()
				passed := 0
				for _, err := range outcomes {
					switch {
					case err == nil:
						passed++
					case !errors.Is(err, sallyport.ErrRecoveryWrong) && !errors.Is(err, sallyport.ErrRecoveryUsed):
						t.Error(err)
					}
				}
				if passed != 1 {
					t.Fatalf("one code signed in %d browsers: %v", passed, outcomes)
				}
				_, err := withRecoveryCode(e, p, p.RecoveryCodes[0])
				if err == nil {
					t.Fatal("it worked again")
				}
			})
		})
	}
}

func TestI09_RecoveryCodeAgainstRegenerate(t *testing.T) {
	for _, mode := range recoveryModes {
		t.Run(mode, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				recoveryMode(e, mode)
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				node := e.Node(e.Keys)
				ctx := context.Background()
				for round := range 6 {
					making := signedIn(e, p).By()
					using := atChallenge(e, node, p).By()
					var result sallyport.SignInResult
					var made, used error
					var both sync.WaitGroup
					both.Go(func() { result, made = e.RegenerateRecoveryCodes(ctx, making) })
					both.Go(func() { _, used = node.AnswerCode(ctx, using, p.RecoveryCodes[0], false) })
					both.Wait()
					if made != nil || used != nil && !errors.Is(used, sallyport.ErrRecoveryWrong) {
						t.Fatalf("round %d: made %v, used %v", round, made, used)
					}
					if _, err := withRecoveryCode(e, p, p.RecoveryCodes[1]); !errors.Is(err, sallyport.ErrRecoveryWrong) {
						t.Fatalf("round %d: a code of the old set: %v", round, err)
					}
					rows := e.Query(`SELECT used_at FROM recovery_codes WHERE user_id = $1 AND used_at = 0`, p.ID)
					if len(rows) != 8 {
						t.Fatalf("round %d: %d codes are left of a new set", round, len(rows))
					}
					p.RecoveryCodes = nil
					for _, c := range result.RecoveryCodes {
						p.RecoveryCodes = append(p.RecoveryCodes, c.Reveal())
					}
					e.Clock.Advance(time.Hour) // the tries are counted per hour
				}
			})
		})
	}
}

func TestI26_RecoveryCodesAreLongAndCounted(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		e.Exec(`UPDATE policies SET recovery_code_count = 16`)
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		by := signedIn(e, p).By()
		seen := map[string]bool{}
		var places [25]map[rune]bool
		for range 20 {
			result, err := e.RegenerateRecoveryCodes(context.Background(), by)
			e.Check(err)
			for _, c := range result.RecoveryCodes {
				code := strings.ReplaceAll(c.Reveal(), "-", "")
				if len(c) != 29 || len(code) != 25 || seen[code] {
					t.Fatalf("the code %q, seen before: %v", c.Reveal(), seen[code])
				}
				seen[code] = true
				for i, r := range code {
					if places[i] == nil {
						places[i] = map[rune]bool{}
					}
					places[i][r] = true
				}
			}
		}
		for i, letters := range places {
			if len(letters) < 24 { // of 32, in 320 codes
				t.Errorf("position %d has only %d different characters", i+1, len(letters))
			}
		}
		rows := e.Dump()
		result, err := e.RegenerateRecoveryCodes(context.Background(), by)
		e.Check(err)
		p.RecoveryCodes = []string{result.RecoveryCodes[0].Reveal()}
		rows += e.Dump()
		if code := p.RecoveryCodes[0]; strings.Contains(rows, code) || strings.Contains(rows, strings.ReplaceAll(code, "-", "")) {
			t.Error("the database contains a code in plain text")
		}
		node := e.Node(e.Keys)
		for i := range 10 {
			at := []*sallyport.Service{e.Service, node}[i%2]
			b := atChallenge(e, at, p)
			if _, err := at.AnswerCode(context.Background(), b.By(), otherCode(p.RecoveryCodes[0]), false); !errors.Is(err, sallyport.ErrRecoveryWrong) {
				t.Fatalf("try %d: %v", i+1, err)
			}
		}
		var limit *sallyport.Error
		if _, err := withRecoveryCode(e, p, p.RecoveryCodes[0]); !errors.As(err, &limit) || limit.Kind != sallyport.TooMany || limit.RetryAfter <= 0 {
			t.Fatalf("the right code after ten wrong ones: %v", err)
		}
	})
}

func TestRecoveryCodesShown(t *testing.T) {
	ctx := context.Background()
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		p := e.Add("mia@acme.example", sallyport.Member)
		e.Enrol(&p, "Pixel")
		b := signedIn(e, p)
		set, err := e.RecoveryCodes(ctx, b.By())
		e.Check(err)
		if got := revealed(set.Codes); got != strings.Join(p.RecoveryCodes, " ") || set.Hidden != 0 {
			t.Fatalf("shown %q, and %d hidden", got, set.Hidden)
		}
		_, err = withRecoveryCode(e, p, p.RecoveryCodes[2])
		e.Check(err)
		set, err = e.RecoveryCodes(ctx, b.By())
		e.Check(err)
		got := revealed(set.Codes)
		if len(set.Codes) != 8 || strings.Contains(got, p.RecoveryCodes[2]) || !strings.HasPrefix(got, p.RecoveryCodes[0]+" "+p.RecoveryCodes[1]) {
			t.Fatalf("after the third was used: %q", got)
		}
		if _, err = withRecoveryCode(e, p, set.Codes[2].Reveal()); err != nil {
			t.Fatalf("the code that replaced it: %v", err)
		}
		// Ciphertext that was copied to another row cannot be opened.
		e.Exec(`UPDATE recovery_codes SET code = (SELECT code FROM recovery_codes WHERE user_id = $1 AND position = 1) WHERE user_id = $1 AND position = 2`, p.ID)
		set, err = e.RecoveryCodes(ctx, b.By())
		e.Check(err)
		if len(set.Codes) != 7 || set.Hidden != 1 {
			t.Fatalf("with one that was moved: %d shown, %d hidden", len(set.Codes), set.Hidden)
		}
		e.Clock.Advance(sallyport.StepUpLimit + time.Second)
		if _, err = e.RecoveryCodes(ctx, b.By()); !errors.Is(err, sallyport.ErrStepUp) {
			t.Fatalf("five minutes later: %v", err)
		}
		if _, err = e.RegenerateRecoveryCodes(ctx, b.By()); !errors.Is(err, sallyport.ErrStepUp) {
			t.Fatalf("regenerate five minutes later: %v", err)
		}
		recoveryMode(e, sallyport.RecoveryOnce)
		b = signedIn(e, p)
		set, err = e.RecoveryCodes(ctx, b.By())
		if err != nil || len(set.Codes) != 0 || set.Hidden != 8 {
			t.Fatalf("in mode once: %d shown, %v", len(set.Codes), err)
		}
	})
}

func revealed(codes []sallyport.Secret) string {
	var all []string
	for _, c := range codes {
		all = append(all, c.Reveal())
	}
	return strings.Join(all, " ")
}

// TestRecoveryCodesHeld is about the cookie with a new set, until the set is saved.
func TestRecoveryCodesHeld(t *testing.T) {
	ctx := context.Background()
	for _, mode := range recoveryModes {
		t.Run(mode, func(t *testing.T) {
			sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
				recoveryMode(e, mode)
				p := e.Add("mia@acme.example", sallyport.Member)
				e.Enrol(&p, "Pixel")
				b, other := signedIn(e, p), signedIn(e, p)
				first, err := e.RegenerateRecoveryCodes(ctx, b.By())
				e.Check(err)
				set, err := e.ShownRecoveryCodes(ctx, b.By(), first.RecoveryShown)
				if err != nil || revealed(set.Codes) != revealed(first.RecoveryCodes) {
					t.Fatalf("in its own session: %q, %v", revealed(set.Codes), err)
				}
				refused := func(what string, b *sallyporttest.Client, held sallyport.Secret) {
					t.Helper()
					if set, err := e.ShownRecoveryCodes(ctx, b.By(), held); !errors.Is(err, sallyport.ErrCodesNotShown) || len(set.Codes) > 0 {
						t.Errorf("%s: %d codes, %v", what, len(set.Codes), err)
					}
				}
				refused("in another session", other, first.RecoveryShown)
				refused("cut", b, first.RecoveryShown[:len(first.RecoveryShown)-2])
				refused("nothing", b, "")
				_, err = withRecoveryCode(e, p, first.RecoveryCodes[0].Reveal())
				e.Check(err)
				if set, err = e.ShownRecoveryCodes(ctx, b.By(), first.RecoveryShown); err != nil || len(set.Codes) != 7 {
					t.Errorf("after one was used: %d codes, %v", len(set.Codes), err)
				}
				second, err := e.RegenerateRecoveryCodes(ctx, b.By())
				e.Check(err)
				refused("after the set was replaced", b, first.RecoveryShown)
				e.Clock.Advance(sallyport.RecoveryShownLimit)
				refused("after ten minutes", b, second.RecoveryShown)
			})
		})
	}
}
