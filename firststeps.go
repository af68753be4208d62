package sallyport

import "context"

// FirstSteps is what the owner of a new workspace still has to do. All but Keyset and Dismissed is read from how things
// stand, so nothing has to be ticked twice.
type FirstSteps struct {
	TwoFactor bool // the owner's own
	Mail      bool // a mail server is set up
	People    bool // somebody else is here, or invited
	Required  bool // two-factor authentication is required of somebody
	Keyset    bool // an owner says that there is a copy of it
	Dismissed bool // an owner does not want to see the list any more
	Server    bool // the owner's workspace is the first: mail and keyset are theirs to look after
}

// Done reports whether nothing is left to do.
func (f FirstSteps) Done() bool {
	return f.TwoFactor && f.People && f.Required && (!f.Server || f.Mail && f.Keyset)
}

// FirstStep is one that an owner ticks.
type FirstStep string

const (
	StepKeyset  FirstStep = "keyset"
	StepDismiss FirstStep = "dismiss"
)

// firstSteps is the list of an owner; for others there is none, as if it were dismissed.
func (s *Service) firstSteps(tx Tx, by Caller) (FirstSteps, error) {
	if by.user.Role != Owner {
		return FirstSteps{Dismissed: true}, nil
	}
	keyset, dismissed, people, err := tx.FirstSteps(by.workspace.ID)
	return FirstSteps{
		TwoFactor: by.user.TwoFactor, Mail: s.Mailer != nil, People: people, Required: by.policy.Require2FA.Of != RequireOptional,
		Keyset: !keyset.IsZero(), Dismissed: !dismissed.IsZero(), Server: by.workspace.Reseller == "",
	}, err
}

// TickFirstStep notes what an owner says is done. It is refused to everybody else.
func (s *Service) TickFirstStep(ctx context.Context, by Caller, step FirstStep) error {
	return s.act(ctx, by, need{may: SeePeople}, func(tx Tx, me *actor) error {
		if me.Role != Owner {
			return ErrNotAllowed
		}
		if step != StepKeyset && step != StepDismiss {
			return ErrNotFound
		}
		return tx.SaveFirstStep(me.Workspace, step, me.now)
	})
}
