package sallyport

import "context"

// QueueNotice queues a mail to a user, as a verb does.
func (s *Service) QueueNotice(ctx context.Context, by Caller, u User, kind string, facts map[string]any) error {
	return s.write(ctx, func(tx Tx) error { return s.notify(tx, by, u, kind, facts) })
}
