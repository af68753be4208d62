package sallyport

import (
	"crypto/sha256"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/lifetime"
	"github.com/sallyport-2fa/sallyport/internal/passkey"
	"github.com/sallyport-2fa/sallyport/internal/seal"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// What a challenge is for. It is good for nothing else (I12).
const (
	toRegister = "register"
	toSignIn   = "sign in"
	toStepUp   = "step up"
	toEnter    = "sign in alone"
)

const bucketPasskey = "passkey"

var passkeyRule = throttle.Rule{Limit: 10, Window: time.Hour}

// party returns the site that passkeys made at the caller's host belong to.
func (s *Service) party(by Caller) passkey.Party {
	return passkey.Party{ID: PasskeySite(by.host), Origin: s.base(by.host), Name: by.workspace.Issuer()}
}

// PasskeySite returns the name under which authenticators keep passkeys of a host: the RP ID of WebAuthn.
func PasskeySite(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.Trim(host, "[]")
}

// use is what binds a challenge: its purpose, the user if known, and the sign-in, session or browser that may answer it.
func (s *Service) use(by Caller, purpose, user, holder string) []byte {
	var w seal.Words
	w.Text(purpose, by.workspace.ID, by.host, user, holder)
	return w
}

func (s *Service) challengeMAC(data []byte) []byte {
	var w seal.Words
	w.Text("passkey challenge")
	w.Bytes(data)
	return s.Keys.Audit(w)
}

// challenge returns a new challenge.
func (s *Service) challenge(by Caller, purpose, user, holder string) []byte {
	return passkey.NewChallenge(s.challengeMAC, s.use(by, purpose, user, holder), s.Now())
}

// spend uses up a challenge, whether the answer to it is right or wrong.
func (s *Service) spend(tx Tx, by Caller, challenge []byte, purpose, user, holder string) error {
	now := s.Now()
	if !passkey.Challenged(s.challengeMAC, challenge, s.use(by, purpose, user, holder), now) {
		return commit(ErrPasskeyTooLate)
	}
	hash := sha256.Sum256(challenge)
	first, err := tx.SpendChallenge(by.workspace.ID, hash[:], now.Add(passkey.ChallengeLimit+2*lifetime.Grace)) // the clock of the node that made it may be behind
	if err == nil && !first {
		return commit(ErrPasskeyTooLate)
	}
	return err
}

// readPasskey parses what a browser sent for the field credential.
func readPasskey(credential string) (answer, error) {
	a, err := passkey.Parse([]byte(credential))
	if err != nil {
		return answer{}, errPasskeyMalformed
	}
	return answer{passkey: &a}, nil
}

// judgePasskey checks an answer whose challenge was spent, saves that the key was used, and returns the proof. With
// alone, it is the only proof. A right answer is always accepted: nobody guesses a signature, so the budget of wrong ones
// only limits what they write, and no stranger can lock anybody out with it. It is read only when it is needed.
func (s *Service) judgePasskey(tx Tx, by Caller, u *User, a passkey.Answer, si *SignIn, alone bool) (Proof, error) {
	p, proof, outcome := s.takePasskey(tx, by, *u, a, alone)
	if len(Outcomes(outcome)) == 0 {
		return proof, outcome
	}
	j, err := s.judgement(tx, by, u, si)
	if err != nil {
		return proof, err
	}
	tries := j.client(bucketPasskey)
	if wait := passkeyRule.Wait(tries, j.now); wait > 0 {
		return proof, commit(ErrPasskeyLimit.waiting(wait))
	}
	if err := tx.SaveTries(passkeyRule.Charge(tries, j.now)); err != nil {
		return proof, err
	}
	if errors.Is(outcome, ErrPasskeyCopied) {
		return proof, s.copiedPasskey(tx, j, p)
	}
	return proof, errOr(s.record(tx, j.by, "passkey.wrong", u.ID, Refused, map[string]string{"passkey": p.ID}), commit(outcome))
}

// takePasskey returns the key of a right answer, saved as used, with the proof; or the outcome with the key that it
// names, if any.
func (s *Service) takePasskey(tx Tx, by Caller, u User, a passkey.Answer, alone bool) (p Passkey, proof Proof, err error) {
	all, err := tx.Passkeys(u.Workspace, u.ID)
	if err != nil {
		return p, proof, err
	}
	for _, p := range all {
		if string(p.Key.ID) != string(a.Key) {
			continue
		}
		use, err := s.party(by).Used(a, personOf(u), p.Key, alone)
		switch {
		case errors.Is(err, passkey.ErrCopied):
			return p, proof, ErrPasskeyCopied
		case errors.Is(err, passkey.ErrUnverified):
			return p, proof, ErrPasskeyAlone
		case err != nil:
			return p, proof, ErrPasskeyWrong
		}
		p.Key.Counter, p.Key.BackedUp = use.Counter, use.BackedUp
		p.LastUsedAt, p.LastUsedFrom = s.Now(), addressOf(by)
		return p, Proof{ByPasskey, p.LastUsedAt, keyUse(p.Key, use.Verified)}, tx.SavePasskey(p)
	}
	return p, proof, ErrPasskeyWrong
}

// copiedRule limits e-mails about copies, because anyone who has a copy can trigger them.
var copiedRule = throttle.Rule{Limit: 1, Window: time.Hour}

// copiedPasskey refuses a key whose counter has not risen: an authenticator and a copy of it count separately.
func (s *Service) copiedPasskey(tx Tx, j judgement, p Passkey) error {
	told := j.tries.of("copied")
	if copiedRule.Wait(told, j.now) == 0 {
		if err := tx.SaveTries(copiedRule.Charge(told, j.now)); err != nil {
			return err
		}
		if err := s.notify(tx, j.by, *j.user, "passkey.copied", map[string]any{"key": p.Name}); err != nil {
			return err
		}
	}
	detail := map[string]string{"passkey": p.ID, "name": p.Name, "alarm": "the counter of signatures has not risen"}
	return errOr(s.record(tx, j.by, "passkey.copied", j.user.ID, Refused, detail), commit(ErrPasskeyCopied))
}
