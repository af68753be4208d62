package sallyport_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// refusal is a request that is refused, and that its sender can repeat as often as they like.
type refusal struct {
	want error
	do   func() error
}

// refusals returns one of each kind of request that is refused only after its Write has read something.
func refusals(e *sallyporttest.Env) map[string]refusal {
	ctx := context.Background()
	owner := e.Owner
	owners := e.Enrol(&owner, "Olive's")
	moved, ben, eve := e.Add("moved@acme.example", sallyport.Member), e.Add("ben@acme.example", sallyport.Member), e.Add("eve@acme.example", sallyport.Member)
	link := func(kind, to, path string) sallyport.Secret {
		return sallyport.Secret(e.MailedLink(kind, to).Path[len(path):])
	}
	edit := func(who sallyporttest.Person, to string) {
		_, err := e.EditPerson(ctx, owners.By(), who.ID, who.Name, to)
		e.Check(err)
	}
	edit(moved, "moved2@acme.example")
	_, err := e.ConfirmEmail(ctx, e.Arriving().By(), link("email.confirm_given", "moved2@acme.example", "/email/"))
	e.Check(err)
	undo := link("email.undo", "moved@acme.example", "/email/undo/")
	e.Add("moved@acme.example", sallyport.Member)
	edit(ben, "ben2@acme.example")
	confirm := link("email.confirm_given", "ben2@acme.example", "/email/")
	e.Add("ben2@acme.example", sallyport.Member)
	spent, arriving := e.Arriving(), e.Arriving()
	spent.Address = netip.MustParseAddr("192.0.2.7")
	for bucket, limit := range map[string]int{"address": 100, "forgot": 20} {
		e.Exec("INSERT INTO tries (workspace_id, subject, bucket, count, since, last) VALUES ($1, '192.0.2.7', $2, $3, $4, $4)",
			owner.Workspace, bucket, limit, e.Clock.Now().UnixMilli())
	}
	e.Exec("UPDATE users SET reminded_at = $1", e.Clock.Now().UnixMilli())
	eves := signedIn(e, eve)
	e.Exec("UPDATE users SET changes = 330, changes_since = $1 WHERE id = $2", e.Clock.Now().UnixMilli(), eve.ID)
	bens := signedIn(e, ben)
	return map[string]refusal{
		"a password from a network past its limit": {sallyport.ErrAddressLimit, func() error {
			_, err := e.SignIn(ctx, spent.By(), "nobody@acme.example", "wrong")
			return err
		}},
		"a forgotten password, from such a network": {sallyport.ErrForgotLimit, func() error {
			return e.Forgot(ctx, spent.By(), "nobody@acme.example")
		}},
		"an address that was taken in the meantime": {sallyport.ErrAddressTaken, func() error {
			_, err := e.ConfirmEmail(ctx, arriving.By(), confirm)
			return err
		}},
		"the old address, taken in the meantime": {sallyport.ErrAddressTaken, func() error {
			_, err := e.UndoEmail(ctx, arriving.By(), undo)
			return err
		}},
		"another name and a taken address": {sallyport.ErrAddressTaken, func() error {
			_, err := e.EditPerson(ctx, owners.By(), ben.ID, "Benjamin", "eve@acme.example")
			return err
		}},
		"another name and no address": {sallyport.ErrAddressInvalid, func() error {
			_, err := e.EditPerson(ctx, owners.By(), ben.ID, "Benjamin", "nowhere")
			return err
		}},
		"reminders to no one": {sallyport.ErrNobodyToRemind, func() error {
			_, err := e.Remind(ctx, owners.By())
			return err
		}},
		"a workspace on a taken host": {sallyport.ErrHostTaken, func() error {
			return e.CreateWorkspace(ctx, owners.By(), sallyport.NewWorkspace{Name: "Globex", Host: "localhost", Owner: "Gil", Address: "gil@globex.example"})
		}},
		"an invitation to a taken address": {sallyport.ErrAddressTaken, func() error {
			_, err := e.Invite(ctx, owners.By(), "eve@acme.example", "Eve", sallyport.Member)
			return err
		}},
		"the end of a session that is not there": {sallyport.ErrNotFound, func() error {
			return e.EndSession(ctx, bens.By(), "ses_none")
		}},
		"a trusted device that is not there": {sallyport.ErrNotFound, func() error {
			return e.RemoveTrustedDevice(ctx, bens.By(), "dev_none")
		}},
		"too many changes to one's own account": {sallyport.ErrChangeLimit, func() error {
			return e.Rename(ctx, eves.By(), "Eva")
		}},
		"a link that is not there": {sallyport.ErrLinkEnded, func() error {
			return e.ResetPassword(ctx, arriving.By(), confirm, sallyporttest.Password)
		}},
	}
}

// TestI66_RefusalsUndoNobody: on SQLite, writes that wait together share a transaction. A flood of refusals must not make
// the others in it run again.
func TestI66_RefusalsUndoNobody(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	e.RunOnce()
	for name, r := range refusals(e) {
		before, ran := e.SQL.UndoneGroups()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 25 {
					if err := r.do(); !errors.Is(err, r.want) {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
			all.Go(func() {
				for range 25 {
					if err := e.Store.Write(context.Background(), func(tx sallyport.Tx) error { return tx.Touch() }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if after, repeated := e.SQL.UndoneGroups(); after != before {
			t.Errorf("%s: %d groups were undone, and %d writes ran again", name, after-before, repeated-ran)
		}
	}
}

// TestI66_SpentNetworksWriteNothing: a request that is refused because its network is past the limit writes nothing to
// the database.
func TestI66_SpentNetworksWriteNothing(t *testing.T) {
	sallyporttest.Each(t, func(t *testing.T, e *sallyporttest.Env) {
		all := refusals(e)
		node := *e.Service
		node.Store = unwritable{e.Store}
		spent := e.Arriving()
		spent.Address = netip.MustParseAddr("192.0.2.7")
		s := sallyport.New(node)
		for name, do := range map[string]func() error{
			"a password from a network past its limit": func() error {
				_, err := s.SignIn(t.Context(), spent.By(), "nobody@acme.example", "wrong")
				return err
			},
			"a forgotten password, from such a network": func() error {
				return s.Forgot(t.Context(), spent.By(), "nobody@acme.example")
			},
		} {
			if err := do(); !errors.Is(err, all[name].want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// unwritable is a Store that only reads.
type unwritable struct{ sallyport.Store }

func (unwritable) Write(context.Context, func(sallyport.Tx) error) error {
	return errors.New("a Write was begun")
}
