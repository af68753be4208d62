package sallyport

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-2fa/sallyport/internal/text"
)

// BulkAction is an action of an administrator on several people at once.
type BulkAction string

const (
	BulkRemind  BulkAction = "remind"
	BulkSignOut BulkAction = "sign-out"
	BulkSuspend BulkAction = "suspend"
	BulkRestore BulkAction = "restore"
)

// How many people one request may act on.
const (
	BulkLimit   = 200
	InviteLimit = 100 // each may cost a password hash
)

// Outcomes of actions on several people.
var (
	ErrBulkUnknown = &Error{Kind: NotFound, Code: "bulk_unknown", Text: text.Say("There is no such action.")}
	ErrBulkNobody  = &Error{Kind: Invalid, Code: "bulk_nobody", Text: text.Say("Select at least one person in the list.")}
	ErrBulkTooMany = &Error{Kind: Invalid, Code: "bulk_too_many", Text: text.Say("Select at most 200 people at once.")}
	ErrNotActive   = &Error{Kind: Conflict, Code: "not_active", Text: text.Say("This person is not active.")}

	ErrInviteNobody  = invalid("emails", "emails_missing", text.Say("Enter at least one e-mail address."))
	ErrInviteTooMany = invalid("emails", "emails_too_many", text.Say("Enter at most 100 e-mail addresses at once."))
)

// bulk is a BulkAction: the verb that performs it on one person, and the error with which that verb would refuse.
type bulk struct {
	may     Action
	refuses func(*Service, User) error
	do      func(*Service, context.Context, Caller, string) error
}

// bulkOf returns the bulk of a BulkAction, and whether it exists.
func bulkOf(a BulkAction) (bulk, bool) {
	switch a {
	case BulkRemind:
		return bulk{RemindPeople, func(s *Service, u User) error { return u.Remindable(s.Now()) }, (*Service).RemindPerson}, true
	case BulkSignOut:
		// Only for active people, because it would also end an invitation that has not been accepted.
		return bulk{SignOutPeople, func(_ *Service, u User) error { return u.active() }, (*Service).SignOutEverywhere}, true
	case BulkSuspend:
		return bulk{SuspendPeople, func(_ *Service, u User) error { return u.Suspendable() }, (*Service).Suspend}, true
	case BulkRestore:
		return bulk{SuspendPeople, func(_ *Service, u User) error { return u.Restorable() }, (*Service).Restore}, true
	}
	return bulk{}, false
}

func (u User) active() error {
	if u.State != Active {
		return ErrNotActive
	}
	return nil
}

// BulkResult is what a bulk action does, or did, for one person.
type BulkResult struct {
	User User  // only the ID, if the caller may not see the person
	Err  error // why the person is skipped; nil: not skipped
}

// PlanBulk returns what DoBulk would do to each of these people now. It changes nothing.
func (s *Service) PlanBulk(ctx context.Context, by Caller, a BulkAction, ids []string) ([]BulkResult, error) {
	b, ok := bulkOf(a)
	if !ok {
		return nil, ErrBulkUnknown
	}
	if err := s.MayAct(by, b.may); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, ErrBulkNobody
	}
	if len(ids) > BulkLimit {
		return nil, ErrBulkTooMany
	}
	var people map[string]User
	if err := s.Store.Read(ctx, func(tx Tx) (err error) {
		people, err = tx.Named(by.workspace.ID, distinct(slices.Clone(ids)))
		return err
	}); err != nil {
		return nil, err
	}
	plan := make([]BulkResult, 0, len(people))
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		r := BulkResult{User: people[id]}
		switch {
		case r.User.ID == "" || !by.user.Role.Over(r.User.Role):
			r = BulkResult{User: User{ID: id}, Err: ErrNotFound}
		case id == by.user.ID:
			r.Err = ErrYourself
		default:
			r.Err = b.refuses(s, r.User)
		}
		plan = append(plan, r)
	}
	return plan, nil
}

// DoBulk performs an action on several people, at most BulkLimit. It handles each person separately, with their own
// transaction and event, and returns a refusal in that person's result. It returns an error about the caller, such as
// ErrStepUp, only if nothing was done.
func (s *Service) DoBulk(ctx context.Context, by Caller, a BulkAction, ids []string) ([]BulkResult, error) {
	all, err := s.PlanBulk(ctx, by, a, ids)
	if err != nil {
		return nil, err
	}
	b, _ := bulkOf(a)
	begun := false
	for i := range all {
		if all[i].Err != nil {
			continue
		}
		all[i].Err = b.do(s, ctx, by, all[i].User.ID)
		if err := ends(all[i].Err, begun); err != nil {
			return nil, err
		}
		begun = begun || all[i].Err == nil
	}
	return all, nil
}

// ends returns err if it ends a series: a fault always does, an outcome about the caller unless something was done.
func ends(err error, begun bool) error {
	if e := (*Error)(nil); err == nil || errors.As(err, &e) && (begun || !aboutCaller(e)) {
		return nil
	}
	return err
}

func aboutCaller(err *Error) bool {
	return slices.ContainsFunc([]*Error{ErrSignedOut, ErrStepUp, ErrNotAllowed, ErrSetUpRequired, ErrRestricted, ErrRoleAbove, ErrRoleInvalid},
		func(e *Error) bool { return errors.Is(err, e) })
}

// Invitee is a person to invite.
type Invitee struct{ Address, Name string }

// InviteResult is the result of one of several invitations.
type InviteResult struct {
	Invitee
	User User  // the new person
	Err  error // why there is none; nil: invited
}

// InviteSeveral invites people, at most InviteLimit, all with the same role. It handles each person as Invite does,
// with their own transaction and event. Its errors are like those of DoBulk.
func (s *Service) InviteSeveral(ctx context.Context, by Caller, people []Invitee, role Role) ([]InviteResult, error) {
	if err := s.MayAct(by, InvitePeople); err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, ErrInviteNobody
	}
	if len(people) > InviteLimit {
		return nil, ErrInviteTooMany
	}
	all := make([]InviteResult, 0, len(people))
	begun := false
	for _, p := range people {
		r := InviteResult{Invitee: p}
		r.User, r.Err = s.Invite(ctx, by, p.Address, p.Name, role)
		if err := ends(r.Err, begun); err != nil {
			return nil, err
		}
		begun = begun || r.Err == nil
		all = append(all, r)
	}
	return all, nil
}
