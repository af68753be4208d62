package sallyport

import (
	"context"
	"strconv"
)

// Rename changes the caller's name.
func (s *Service) Rename(ctx context.Context, by Caller, name string) error {
	name, err := cleanName("name", name)
	if err != nil {
		return err
	}
	return s.act(ctx, by, access{}, func(tx Tx, me *actor) error {
		if me.Name == name {
			return nil
		}
		me.Name, me.ProfileAt = name, me.now
		if err := tx.SaveUser(me.User); err != nil {
			return err
		}
		return s.record(tx, by, "user.renamed", me.ID, Done, nil)
	})
}

// OwnSessions returns the caller's valid sessions, the most recently seen first.
func (s *Service) OwnSessions(ctx context.Context, by Caller) ([]Session, error) {
	if err := s.may(by, access{}); err != nil {
		return nil, err
	}
	var living []Session
	err := s.Store.Read(ctx, func(tx Tx) error {
		all, err := tx.Sessions(*by.user, s.Now())
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

// EndSession ends one of the caller's sessions, which may be the current one. A session that does not exist, or is not
// theirs, is ErrNotFound.
func (s *Service) EndSession(ctx context.Context, by Caller, id string) error {
	return s.act(ctx, by, access{ends: true}, func(tx Tx, me *actor) error {
		gone, err := tx.DeleteSession(me.Workspace, me.ID, id)
		if err != nil || !gone {
			return errOr(err, ErrNotFound)
		}
		return s.record(tx, by, "session.ended", me.ID, Done, map[string]string{"session": id, "count": "1"})
	})
}

// EndOtherSessions ends all of the caller's sessions except the current one, page by page. Trusted devices stay.
func (s *Service) EndOtherSessions(ctx context.Context, by Caller) error {
	for {
		var count int
		err := s.act(ctx, by, access{ends: true}, func(tx Tx, me *actor) (err error) {
			if err := s.withdrawApproval(tx, me); err != nil {
				return err
			}
			if count, err = tx.DeleteOtherSessions(me.Workspace, me.ID, me.session.ID, endedPage); err != nil || count == 0 {
				return err
			}
			return s.record(tx, by, "session.ended", me.ID, Done, map[string]string{"count": strconv.Itoa(count)})
		})
		if err != nil || count < endedPage {
			return err
		}
	}
}

// endedPage is how many sessions one transaction ends.
const endedPage = 1000

// ActivityPage is how many events Activity returns at most.
const ActivityPage = 50

// Activity returns events about the caller, newest first: those before the event with the id before, or the newest if
// before is empty. more reports whether there are older ones.
func (s *Service) Activity(ctx context.Context, by Caller, before string) (events []Event, more bool, err error) {
	if err := s.may(by, access{}); err != nil {
		return nil, false, err
	}
	err = s.Store.Read(ctx, func(tx Tx) error {
		if events, err = tx.Events(by.workspace.ID, EventFilter{Subject: by.user.ID}, before, ActivityPage+1); err != nil {
			return err
		}
		return nameApps(tx, by.workspace.ID, events)
	})
	for i, e := range events {
		if e.Actor != "" && e.Actor != by.user.ID { // the location of an administrator is private
			events[i].Address, events[i].Agent = "", ""
		}
	}
	if len(events) > ActivityPage {
		return events[:ActivityPage], true, err
	}
	return events, false, err
}
