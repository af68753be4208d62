package sallyport

import (
	"context"
	"strconv"
)

// Rename changes the name of who is signed in.
func (s *Service) Rename(ctx context.Context, by Caller, name string) error {
	name, err := cleanName("name", name)
	if err != nil {
		return err
	}
	return s.act(ctx, by, need{}, func(tx Tx, me *actor) error {
		if me.Name == name {
			return nil
		}
		me.Name = name
		if err := tx.SaveUser(me.User); err != nil {
			return err
		}
		return s.record(tx, by, "user.renamed", me.ID, Done, nil)
	})
}

// OwnSessions returns the caller's living sessions, the one seen last first.
func (s *Service) OwnSessions(ctx context.Context, by Caller) ([]Session, error) {
	if err := s.may(by, need{}); err != nil {
		return nil, err
	}
	var living []Session
	err := s.Store.Read(ctx, func(tx Tx) error {
		all, err := tx.Sessions(by.workspace.ID, by.user.ID)
		living = nil
		for _, ses := range all {
			if ses.lives(ses.Hash, *by.user, s.Now()) {
				living = append(living, ses)
			}
		}
		return err
	})
	return living, err
}

// EndSession ends one session of who is signed in, be it the one in hand. One that is not there, or not theirs, is
// ErrNotFound.
func (s *Service) EndSession(ctx context.Context, by Caller, id string) error {
	return s.act(ctx, by, need{}, func(tx Tx, me *actor) error {
		gone, err := tx.DeleteSession(me.Workspace, me.ID, id)
		if err != nil || !gone {
			return cmpErr(err, ErrNotFound)
		}
		return s.record(tx, by, "session.ended", me.ID, Done, map[string]string{"session": id, "count": "1"})
	})
}

// EndOtherSessions ends all sessions of who is signed in but the one in hand. Trusted devices stay.
func (s *Service) EndOtherSessions(ctx context.Context, by Caller) error {
	return s.act(ctx, by, need{}, func(tx Tx, me *actor) error {
		all, err := tx.Sessions(me.Workspace, me.ID)
		if err != nil {
			return err
		}
		count := 0
		for _, ses := range all {
			if ses.ID == me.session.ID {
				continue
			}
			gone, err := tx.DeleteSession(me.Workspace, me.ID, ses.ID)
			if err != nil {
				return err
			}
			if gone {
				count++
			}
		}
		return s.record(tx, by, "session.ended", me.ID, Done, map[string]string{"count": strconv.Itoa(count)})
	})
}

// ActivityPage is how many events Activity returns at most.
const ActivityPage = 50

// Activity returns events of who is signed in, newest first: those before the event with the id given, or with none the
// newest. More says whether there are older ones.
func (s *Service) Activity(ctx context.Context, by Caller, before string) (events []Event, more bool, err error) {
	if err := s.may(by, need{}); err != nil {
		return nil, false, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		events, err = tx.Events(by.workspace.ID, EventFilter{Subject: by.user.ID}, before, ActivityPage+1)
		return err
	})
	if len(events) > ActivityPage {
		return events[:ActivityPage], true, err
	}
	return events, false, err
}
