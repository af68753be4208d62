package sallyport

import (
	"crypto/sha256"
	"errors"
	"net"
	"strings"
	"time"

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
	first, err := tx.SpendChallenge(by.workspace.ID, hash[:], now.Add(passkey.ChallengeLimit))
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

// ceremony is what an answer of a browser must be for.
type ceremony struct {
	purpose, holder string
	alone           bool // the passkey is the only proof, so its authenticator must have verified the user
}

// judgePasskey checks a passkey, and saves that it was used.
func (s *Service) judgePasskey(tx Tx, j judgement, a passkey.Answer, c ceremony) error {
	tries, user := j.client(bucketPasskey), j.user.ID
	if wait := passkeyRule.Wait(tries, j.now); wait > 0 {
		return s.refuse(tx, tries, ErrPasskeyLimit.waiting(wait))
	}
	if c.alone {
		user = "" // was not known when the challenge was made
	}
	if err := s.spend(tx, j.by, a.Challenge, c.purpose, user, c.holder); err != nil {
		return err
	}
	err := s.takePasskey(tx, j.by, *j.user, a, c.alone)
	if refused, ok := errors.AsType[committed](err); ok && errors.Is(refused.err, ErrPasskeyWrong) {
		return errOr(tx.SaveTries(passkeyRule.Charge(tries, j.now)), err)
	}
	return err
}

// takePasskey checks an answer whose challenge was spent, and saves that the key was used. With alone, it is the only
// proof. Its outcomes are to be committed.
func (s *Service) takePasskey(tx Tx, by Caller, u User, a passkey.Answer, alone bool) error {
	all, err := tx.Passkeys(u.Workspace, u.ID)
	if err != nil {
		return err
	}
	for _, p := range all {
		if string(p.Key.ID) != string(a.Key) {
			continue
		}
		use, err := s.party(by).Used(a, personOf(u), p.Key, alone)
		switch {
		case errors.Is(err, passkey.ErrCopied):
			return s.copiedPasskey(tx, by.as(u), u, p)
		case errors.Is(err, passkey.ErrUnverified):
			return commit(ErrPasskeyAlone)
		case err != nil:
			return s.wrongPasskey(tx, by.as(u), u, p.ID)
		}
		p.Key.Counter, p.Key.BackedUp = use.Counter, use.BackedUp
		p.LastUsedAt, p.LastUsedFrom = s.Now(), addressOf(by)
		return tx.SavePasskey(p)
	}
	return s.wrongPasskey(tx, by.as(u), u, "")
}

func (s *Service) wrongPasskey(tx Tx, by Caller, u User, id string) error {
	return errOr(s.record(tx, by, "passkey.wrong", u.ID, Refused, map[string]string{"passkey": id}), commit(ErrPasskeyWrong))
}

// copiedPasskey refuses a key whose counter has not risen: an authenticator and a copy of it count separately.
func (s *Service) copiedPasskey(tx Tx, by Caller, u User, p Passkey) error {
	if err := s.notify(tx, by, u, "passkey.copied", map[string]any{"key": p.Name}); err != nil {
		return err
	}
	detail := map[string]string{"passkey": p.ID, "name": p.Name, "alarm": "the counter of signatures has not risen"}
	return errOr(s.record(tx, by, "passkey.copied", u.ID, Refused, detail), commit(ErrPasskeyCopied))
}
