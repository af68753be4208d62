package sallyport

import (
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/letter"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// notify queues the e-mail to a user about an event, in the event's transaction. Users without an address get none.
func (s *Service) notify(tx Tx, by Caller, u User, kind string, facts map[string]any) error {
	return s.notifyAt(tx, by, u, u.Address, kind, facts)
}

// notifyAt is notify to an address that is not yet, or no longer, the user's.
func (s *Service) notifyAt(tx Tx, by Caller, u User, to, kind string, facts map[string]any) error {
	if to == "" {
		return nil
	}
	from, err := tx.MailSender(u.Workspace)
	if err != nil {
		return err
	}
	return s.notifyFrom(tx, by, from, u, to, kind, facts)
}

// notifyFrom is notifyAt for a workspace that was already read.
func (s *Service) notifyFrom(tx Tx, by Caller, from HostedWorkspace, u User, to, kind string, facts map[string]any) error {
	m, l, err := s.compose(by, from, u, to, kind, facts)
	if err != nil {
		return err
	}
	return s.queue(tx, m, l)
}

// compose returns a mail, without queueing it.
func (s *Service) compose(by Caller, from HostedWorkspace, u User, to, kind string, facts map[string]any) (m Mail, l letter.Letter, err error) {
	l = letter.Letter{
		Kind: kind, Facts: plain(facts), Brand: from.Workspace.Issuer(), Colour: colour.Own,
		To: to, Name: u.Name, Account: u.Address, At: s.Now(), Base: s.base(from.Host),
	}
	if c, ok := colour.Parse(from.Workspace.BrandColour()); ok {
		l.Colour = c
	}
	if by.user == nil || by.user.ID == u.ID {
		l.Browser, l.Address = by.agent, addressOf(by)
	}
	subject, err := l.Subject(text.English)
	ends, _ := facts["ends"].(time.Time)
	return Mail{Workspace: u.Workspace, User: u.ID, Kind: kind, To: to, Subject: subject, ExpiresAt: ends}, l, err
}

// plain returns the facts with their secrets in plain text. Nothing but a letter may get them.
func plain(facts map[string]any) map[string]any {
	all := make(map[string]any, len(facts))
	for name, value := range facts {
		if secret, ok := value.(Secret); ok {
			value = secret.Reveal()
		}
		all[name] = value
	}
	return all
}

// scheme returns the scheme of URL. If URL is empty, as in commands, it returns https, which every public installation
// uses.
func (s *Service) scheme() string {
	if scheme, _, ok := strings.Cut(s.URL, "://"); ok {
		return scheme
	}
	return "https"
}

// base returns the scheme and host of links to a workspace. In commands, it assumes that a loopback host has no TLS.
func (s *Service) base(host string) string {
	if name, _, ok := fold.Host(host); ok && s.URL == "" && fold.LoopbackHost(name) {
		return "http://" + host
	}
	return s.scheme() + "://" + host
}
