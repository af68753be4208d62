package sallyport

import (
	"errors"
	"strconv"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/throttle"
)

// How much one person may write in an hour. Verbs that end sessions or change the password may write some more, so that
// a thief with a session cannot use up what its owner needs.
var (
	signInRule = throttle.Rule{Limit: 120, Window: time.Hour}
	changeRule = throttle.Rule{Limit: 300, Window: time.Hour}
	endingRule = throttle.Rule{Limit: 330, Window: time.Hour}
)

// newBrowserMailInterval is how long a person gets no further e-mail about a new browser.
const newBrowserMailInterval = time.Hour

// Outcomes of writing too much.
var (
	ErrSignInLimit = &Error{Kind: TooMany, Code: "too_many_sign_ins", Text: text.Say("You have signed in too many times within an hour. Wait a while, then try again.")}
	ErrChangeLimit = &Error{Kind: TooMany, Code: "too_many_changes", Text: text.Say("You have made too many changes within an hour. Wait a while, then try again.")}
)

// ownChange runs a change of a person to their own account, and counts it if it writes.
func (s *Service) ownChange(tx Tx, me *actor, a access, fn func(Tx, *actor) error) error {
	r := changeRule
	if a.ends {
		r = endingRule
	}
	if wait := me.Changes.Wait(r, me.now); wait > 0 {
		return ErrChangeLimit.waiting(wait)
	}
	spent := User{Workspace: me.Workspace, ID: me.ID, Changes: me.Changes.Charge(r, me.now)}
	wrote := false
	err := fn(noting{tx, &wrote}, me)
	if wrote && (err == nil || errors.As(err, &committed{})) {
		if err := tx.SaveChanges(spent); err != nil {
			return err
		}
	}
	return err
}

// noting is a Tx that records whether something was written that could be repeated without limit.
type noting struct {
	Tx
	wrote *bool
}

func (t noting) InsertEvent(e Event) error {
	*t.wrote = true
	return t.Tx.InsertEvent(e)
}

func (t noting) PutDraft(d Draft) error {
	*t.wrote = true
	return t.Tx.PutDraft(d)
}

func (t noting) InsertTicket(k Ticket) error {
	*t.wrote = true
	return t.Tx.InsertTicket(k)
}

func (t noting) SaveSession(s Session) error {
	*t.wrote = true
	return t.Tx.SaveSession(s)
}

// MaxSignIns is how many unfinished sign-ins a person may have. Another one ends the oldest. It ends one that began in
// a known device only if there is no other, so that a stranger with the password cannot end the owner's.
const MaxSignIns = 20

// insertSignIn inserts a new sign-in. If there are too many, it first ends others.
func (s *Service) insertSignIn(tx Tx, si SignIn, u User) error {
	if u.OpenSignIns >= MaxSignIns {
		if err := tx.TrimSignIns(u, s.Now(), MaxSignIns-1); err != nil {
			return err
		}
	}
	return tx.InsertSignIn(si)
}

// MaxSessions is how many sessions a person may have. Another one ends the oldest.
const MaxSessions = 50

// makeRoom ends the oldest sessions of a user who has just got one more, if there are too many. It counts them only if
// there may be.
func (s *Service) makeRoom(tx Tx, by Caller, u *User) error {
	if u.OpenSessions++; u.OpenSessions <= MaxSessions {
		return nil
	}
	ended, left, err := tx.TrimSessions(*u, s.Now())
	if err != nil {
		return err
	}
	if u.OpenSessions = left; ended == 0 {
		return nil
	}
	return s.record(tx, by.as(*u), "session.ended", u.ID, Done, map[string]string{"count": strconv.Itoa(ended)})
}
