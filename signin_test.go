package sallyport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestSignIn(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		ctx := context.Background()
		p := e.Add("mia@acme.example", sallyport.Member)
		b := e.Enrol(&p, "Pixel – Aegis")
		if u, ok := b.By().User(); !ok || !u.TwoFactor {
			t.Fatalf("after set-up: %v %v", u, ok)
		}
		c := e.Arriving()
		result, err := e.SignIn(ctx, c.By(), " MIA@acme.example ", p.Password)
		if err != nil || result.Step != sallyport.StepCode || result.Session != "" {
			t.Fatalf("password: %+v %v", result, err)
		}
		c.Keep(result)
		if _, err := e.AnswerCode(ctx, c.By(), "000000", false); !errors.Is(err, sallyport.ErrCodeWrong) {
			t.Fatalf("wrong code: %v", err)
		}
		code := p.Code(e.Clock.Now())
		result, err = e.AnswerCode(ctx, c.By(), code, false)
		if err != nil || result.Step != sallyport.StepDone {
			t.Fatalf("code: %+v %v", result, err)
		}
		c.Keep(result)
		u, ok := c.By().User()
		if !ok || u.LastSignInMethod != sallyport.ByAuthenticator || !u.LastSignInAt.Equal(e.Clock.Now().Truncate(time.Millisecond)) {
			t.Fatalf("session: %+v %v", u, ok)
		}
		result, err = e.SignIn(ctx, c.By(), p.Address, p.Password)
		e.Check(err)
		c.Keep(result)
		if _, err := e.AnswerCode(ctx, c.By(), code, false); !errors.Is(err, sallyport.ErrCodeUsed) {
			t.Fatalf("used code: %v", err)
		}
		e.Check(e.SignOut(ctx, c.By(), false))
		if _, ok := c.By().User(); ok {
			t.Fatal("still signed in after sign-out")
		}
	})
}
