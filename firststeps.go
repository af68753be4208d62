package sallyport

import "context"

// FirstSteps is what the owner of a new workspace has already done. Everything except Keyset and Dismissed is read from
// the current state, so that owners need not tick it.
type FirstSteps struct {
	TwoFactor bool // the owner's own
	Mail      bool // a mail server is set up
	People    bool // there is another person, or one is invited
	Required  bool // two-factor authentication is required of someone
	Keyset    bool // an owner has confirmed that there is a copy of it
	Dismissed bool // an owner does not want to see the list any more
	Server    bool // the owner's workspace is the first, so mail and keyset are their responsibility
}

// Done reports whether nothing is left to do.
func (f FirstSteps) Done() bool {
	return f.TwoFactor && f.People && f.Required && (!f.Server || f.Mail && f.Keyset)
}

// FirstStep is a step that an owner ticks.
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
		TwoFactor: by.user.TwoFactor, Mail: s.Mailer != nil, People: people, Required: by.policy.Require2FA.Of != RequireOptional || by.policy.PhishingResistant.Of != RequireOptional,
		Keyset: !keyset.IsZero(), Dismissed: !dismissed.IsZero(), Server: by.workspace.Reseller == "",
	}, err
}

// TickFirstStep records that an owner has ticked a step. It refuses everyone else.
func (s *Service) TickFirstStep(ctx context.Context, by Caller, step FirstStep) error {
	return s.act(ctx, by, access{may: SeePeople}, func(tx Tx, me *actor) error {
		if me.Role != Owner {
			return ErrNotAllowed
		}
		if step != StepKeyset && step != StepDismiss {
			return ErrNotFound
		}
		return tx.SaveFirstStep(me.Workspace, step, me.now)
	})
}
