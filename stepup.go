package sallyport

import (
	"context"

	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of step-up.
var (
	ErrOwnPasswordWrong = invalid("password", "password_wrong", text.Say("This password is not right. After several wrong tries you must also wait before the next one."))
	ErrOtherFactor      = &Error{Kind: Conflict, Code: "other_factor", Text: text.Say("Confirm with a code from your authenticator app.")}
)

// StepUpCode takes a code of an authenticator from somebody who is signed in, as fresh proof. It returns the
// session's new value. The budget is that of signing in.
func (s *Service) StepUpCode(ctx context.Context, by Caller, code string) (Secret, error) {
	digits, ok := otp.Normalise(code)
	if !ok {
		return "", ErrCodeMalformed
	}
	var token Secret
	err := s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		t, err := s.codeTries(tx, by, me.User)
		if err != nil {
			return err
		}
		if err := s.checkCode(tx, by, me.User, t, digits, nil); err != nil {
			return err
		}
		if err := s.forgiveCodes(tx, t, 0); err != nil {
			return err
		}
		token, err = s.stepUp(tx, by, me, ByAuthenticator)
		return err
	})
	return token, err
}

// StepUpPassword takes the password, from somebody without two-factor authentication. It draws on the budget of
// signing in, and runs one hash.
func (s *Service) StepUpPassword(ctx context.Context, by Caller, password string) (Secret, error) {
	me, ok := by.User()
	if !ok {
		return "", ErrSignedOut
	}
	if me.TwoFactor {
		return "", ErrOtherFactor
	}
	try, err := s.tryPassword(ctx, by, me.Address, password)
	if err != nil {
		return "", err
	}
	var token Secret
	err = s.act(ctx, by, need{forced: true}, func(tx Tx, me *actor) error {
		u, ok, err := s.settle(tx, by, try)
		if err != nil {
			return err
		}
		if !ok || u.ID != me.ID {
			return keep(ErrOwnPasswordWrong)
		}
		me.User = u
		token, err = s.stepUp(tx, by, me, ByPassword)
		return err
	})
	return token, err
}

// stepUp keeps a fresh proof with the session, under a new value.
func (s *Service) stepUp(tx Tx, by Caller, me *actor, m Method) (Secret, error) {
	me.session.Proofs = me.session.Proofs.With(m, me.now)
	token := me.rotate()
	if err := tx.SaveSession(me.session); err != nil {
		return "", err
	}
	return token, s.record(tx, by, "session.stepped_up", me.ID, Done, map[string]string{"method": string(m)})
}
