package sallyport

import (
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/otp"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// clockSteps is by how many time steps, in either direction, a phone's clock may be off to be recognised: 10 minutes.
const clockSteps = 20

// ErrClockOff is a wrong code that is correct for another time. It is charged like every wrong code. It is of no use to
// an attacker who guesses: a past code is never accepted, and a recognised future one is refused when its time comes.
// No other code is refused for that, so a person who corrects the clock can sign in immediately.
var ErrClockOff = invalid("code", "clock_off", text.Say("The clock of your phone is off."))

// clockOff returns ErrClockOff with the direction and amount by which a phone's clock is off that shows the code of
// step.
func clockOff(step int64, now time.Time) *Error {
	off := step - otp.Default.Step(now)
	minutes := (int(max(off, -off)) + 1) / 2 // two time steps per minute, rounded up
	if off > 0 {
		return ErrClockOff.saying(text.Count(minutes,
			"The clock of your phone is about {n} minute ahead: here it is {time}. Set the phone to automatic date and time, then enter the code that it shows.",
			"The clock of your phone is about {n} minutes ahead: here it is {time}. Set the phone to automatic date and time, then enter the code that it shows.",
			"time", now.UTC()))
	}
	return ErrClockOff.saying(text.Count(minutes,
		"The clock of your phone is about {n} minute behind: here it is {time}. Set the phone to automatic date and time, then enter the code that it shows.",
		"The clock of your phone is about {n} minutes behind: here it is {time}. Set the phone to automatic date and time, then enter the code that it shows.",
		"time", now.UTC()))
}

// matchOtherTime returns the time step nearest to now, within 10 minutes, that has this code. It also returns the refused
// steps: it adds the future steps with this code, and removes past ones that can no longer be accepted. A used step
// says nothing about the clock, because the person may have typed an old code.
func matchOtherTime(p otp.Params, secret []byte, digits string, now time.Time, last int64, refused []int64) (step int64, found bool, _ []int64) {
	current := p.Step(now)
	var keep []int64
	for _, s := range refused {
		if s >= current-1 {
			keep = append(keep, s)
		}
	}
	for _, s := range p.MatchAll(secret, digits, now, clockSteps, clockSteps) {
		if s <= last {
			continue
		}
		if !found {
			step, found = s, true
		}
		if s > current && !slices.Contains(keep, s) {
			keep = append(keep, s)
		}
	}
	return step, found, keep
}

// matchOtherTime looks for the code at other times, for all authenticators, and saves the steps that must be refused. It
// returns ErrClockOff, or ErrCodeWrong if the code does not belong to a time near now.
func (s *Service) matchOtherTime(tx Tx, all []Authenticator, digits string, now time.Time) (*Error, error) {
	var nearest int64
	outcome := ErrCodeWrong
	current := otp.Default.Step(now)
	for _, a := range all {
		secret, err := s.Keys.Open(a.Secret, a.AD())
		if err != nil {
			return nil, err
		}
		step, found, refused := matchOtherTime(a.params(), secret, digits, now, a.LastStep, a.RefusedSteps)
		if !found {
			continue
		}
		a.RefusedSteps = refused
		if err := tx.SaveAuthenticator(a); err != nil {
			return nil, err
		}
		if outcome == ErrCodeWrong || distance(step, current) < distance(nearest, current) {
			nearest, outcome = step, clockOff(step, now)
		}
	}
	return outcome, nil
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

// params returns the parameters of the authenticator's codes.
func (a Authenticator) params() otp.Params {
	p := otp.Default
	p.Algorithm = a.Algorithm
	return p
}

// ErrClockSetBack is a correct code that counts as used because a later one was used before this server's clock was set
// back. No code is accepted until the clock has caught up, or an administrator unlocks the person.
var ErrClockSetBack = invalid("code", "clock_set_back", text.Say("The clock of this server was set back, so this code counts as used."))

// codeOfSetBackClock refuses a code of an authenticator whose newest used code lies in the future.
func (s *Service) codeOfSetBackClock(tx Tx, by Caller, u User, a Authenticator) error {
	now := s.Now()
	if err := s.clockWentBack(tx, by); err != nil {
		return err
	}
	if err := s.record(tx, by.as(u), "code.clock_set_back", u.ID, Refused, map[string]string{"authenticator": a.ID}); err != nil {
		return err
	}
	l, until := a.clockLock(now)
	if u.LockedUntil.Before(until) {
		if err := s.lock(tx, by.as(u), u.ID, l, until); err != nil {
			return err
		}
	}
	return commit(ErrClockSetBack.saying(text.Say("The clock of this server was set back: here it is {time}. All codes up to {until} count as used. "+
		"Use a recovery code, or ask an administrator to check the clock and unlock you.",
		"time", now.UTC(), "until", until.UTC())))
}
