package sallyporttest

import (
	"context"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/audit"
	"github.com/sallyport-2fa/sallyport/internal/background"
)

// In a server, background work runs by itself. A test calls these functions when it is due.

// Seal seals the audit log.
func (e *Env) Seal(ctx context.Context) error { return audit.Seal(ctx, e.Service) }

// VerifyAudit verifies the audit log.
func (e *Env) VerifyAudit(ctx context.Context, by sallyport.Caller, found func(audit.Finding)) (audit.Report, error) {
	return audit.Verify(ctx, e.Service, by, found)
}

// Deliver makes one attempt for the e-mails that are due.
func (e *Env) Deliver(ctx context.Context) (int, error) { return background.Deliver(ctx, e.Service) }

// CountAdoption counts people for the overview.
func (e *Env) CountAdoption(ctx context.Context) error {
	return background.CountAdoption(ctx, e.Service)
}
