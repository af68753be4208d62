package sallyport

import (
	"context"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// Outcomes of step-up.
var (
	ErrOwnPasswordWrong = invalid("password", "password_wrong", text.Say("This password is not right. After several wrong tries, you have to wait before the next one."))
	ErrCodeWanted       = invalid("code", "authenticator_wanted", text.Say("You cannot use a recovery code here. Enter the code that your authenticator app shows now."))
	ErrPasskeyWanted    = invalid("code", "passkey_wanted", text.Say("You cannot use a code here. Use your passkey."))
	ErrOtherFactor      = &Error{Kind: Conflict, Code: "other_factor", Text: text.Say("Confirm with a code from your authenticator app.")}
)

// StepUpCode accepts the code of an authenticator, or a recovery code, as fresh proof from a signed-in caller. A code
// that is too weak for what the caller wants to do is not used up. It returns the session's new secret. It uses the
// budget for signing in.
func (s *Service) StepUpCode(ctx context.Context, by Caller, code string, want Strength) (Secret, error) {
	given, err := readAnswer(code)
	if err != nil {
		return "", err
	}
	switch {
	case want > StrongFactor:
		return "", ErrPasskeyWanted
	case given.recovery != "" && ByRecoveryCode.Strength() < want:
		return "", ErrCodeWanted
	}
	return s.stepUpBy(ctx, by, given)
}

// StepUpPasskey is StepUpCode with a passkey: what the browser returned for the options of StepUp.
func (s *Service) StepUpPasskey(ctx context.Context, by Caller, credential string) (Secret, error) {
	if err := s.may(by, access{forced: true, keyed: true}); err != nil {
		return "", err
	}
	given, err := readPasskey(credential)
	if err != nil {
		return "", err
	}
	return s.stepUpBy(ctx, by, given)
}

func (s *Service) stepUpBy(ctx context.Context, by Caller, given answer) (Secret, error) {
	var token Secret
	// A code works once, but a passkey as often as its user likes, so it counts as a change.
	err := s.act(ctx, by, access{forced: true, keyed: true, coded: given.passkey == nil}, func(tx Tx, me *actor) error {
		proof, err := s.judge(tx, by, &me.User, given, nil)
		if err != nil {
			return err
		}
		token, err = s.stepUp(tx, by, me, proof)
		return err
	})
	return token, err
}

// StepUpPassword accepts the password as fresh proof from a caller without two-factor authentication. It uses the
// budget for signing in, and computes one hash.
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
	err = s.act(ctx, by, access{forced: true, keyed: true}, func(tx Tx, me *actor) error {
		u, ok, err := s.finishPasswordTry(tx, by, try)
		if err != nil {
			return err
		}
		if !ok || u.ID != me.ID {
			return commit(ErrOwnPasswordWrong)
		}
		me.User = u
		token, err = s.stepUp(tx, by, me, Proof{Method: ByPassword, At: me.now})
		return err
	})
	return token, err
}

// stepUp saves a fresh proof in the session, and returns the session's new secret.
func (s *Service) stepUp(tx Tx, by Caller, me *actor, last Proof) (Secret, error) {
	me.session.Proofs = me.session.Proofs.and(last)
	token := me.rotate()
	if err := tx.SaveSession(me.session); err != nil {
		return "", err
	}
	return token, s.record(tx, by, "session.stepped_up", me.ID, Done, map[string]string{"method": string(last.Method)})
}

// StepUp is what a page that asks for a fresh second factor shows.
type StepUp struct {
	Authenticators []string // their names
	Options        []byte   // JSON with which a browser asks for a passkey; nil: the caller has none
	PasskeyFirst   bool     // a passkey was used more recently than an app
}

// StepUp returns the second factors with which the caller can give fresh proof.
func (s *Service) StepUp(ctx context.Context, by Caller) (v StepUp, err error) {
	if err := s.may(by, access{forced: true, keyed: true}); err != nil {
		return v, err
	}
	var apps []Authenticator
	var keys []Passkey
	err = s.Store.Read(ctx, func(tx Tx) (err error) {
		if apps, err = tx.Authenticators(by.workspace.ID, by.user.ID); err != nil {
			return err
		}
		keys, err = tx.Passkeys(by.workspace.ID, by.user.ID)
		return err
	})
	for _, a := range apps {
		v.Authenticators = append(v.Authenticators, a.Name)
	}
	if err != nil || len(keys) == 0 {
		return v, err
	}
	v.PasskeyFirst = passkeyFirst(keys, apps)
	v.Options, err = s.party(by).RequestOptions(s.challenge(by, toStepUp, by.user.ID, by.session.ID), keysOf(keys))
	return v, err
}
