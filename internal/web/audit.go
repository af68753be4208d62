package web

import (
	"cmp"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const auditPath = "/admin/audit"

type auditPage struct {
	page
	Filter  auditFilter
	Kinds   []option
	Results []option
	Events  []auditLine
	Pager   pager
	CSV     string
}

// auditLine is an event with the people it names. Its values are prepared, as in userRow.
type auditLine struct {
	At, Words, Method template.HTML
	Name, Reason      string
	Actor, Subject    auditPerson
	Nobody            template.HTML // the actor, if it is not a person
	AllOf             template.HTML // text of a link to all events of the subject, or empty
	Agent, Address    string
	ID                string
	Refused           bool
}

// auditPerson is a person whom an event names. Opens is true if the caller may open their page.
type auditPerson struct {
	ID, Name string
	Opens    bool
}

// auditLine converts an event. It adds a link to all events of the subject unless one is set, because then the list is
// already about one person.
func (s *site) auditLine(me sallyport.User, p sallyport.AuditPage, e sallyport.Event, one bool) auditLine {
	v := newEvent(e)
	line := auditLine{
		ID: e.ID, At: s.shortTime(e.At), Words: s.lang.HTML(v.Words), Name: v.Name, Reason: e.Detail["reason"],
		Actor: named(me, p, e.Actor), Subject: named(me, p, e.Subject), Agent: e.Agent, Address: e.Address,
		Refused: e.Result == sallyport.Refused,
	}
	if !v.Method.IsZero() {
		line.Method = s.lang.HTML(v.Method)
	}
	if e.Actor == "" {
		line.Nobody = s.part("audit-nobody", e.ActorKind)
	}
	if e.Subject != "" && !one {
		line.AllOf = s.lang.HTML(text.Say("of <bdi>{name}</bdi>", "name", cmp.Or(line.Subject.Name, e.Subject)))
	}
	return line
}

// auditFilter is the content of the form, as it was typed.
type auditFilter struct{ Kind, Person, Result, From, To, Address string }

// readAuditFilter reads the filter from a query, and returns what is wrong with it by field.
func readAuditFilter(q form) (f auditFilter, e sallyport.EventFilter, wrong []fieldError) {
	f = auditFilter{q.Get("kind"), strings.TrimSpace(q.Get("person")), q.Get("result"), q.Get("from"), q.Get("to"), strings.TrimSpace(q.Get("address"))}
	e = sallyport.EventFilter{Kind: f.Kind, Person: f.Person, Result: f.Result, Address: f.Address}
	for _, d := range []struct {
		field, typed string
		to           *time.Time
		days         int
	}{{"from", f.From, &e.From, 0}, {"to", f.To, &e.To, 1}} {
		if d.typed == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, d.typed)
		if err != nil {
			wrong = append(wrong, fieldError{d.field, text.Say("Enter a date, as in 2026-11-22.")})
			continue
		}
		*d.to = day.AddDate(0, 0, d.days)
	}
	if f.Address != "" {
		a, err := netip.ParseAddr(f.Address)
		if err != nil {
			wrong = append(wrong, fieldError{"address", text.Say("Enter a whole IP address.")})
		}
		e.Address = a.Unmap().String()
	}
	return f, e, wrong
}

// at returns the address of a page of the list with this filter.
func (f auditFilter) at(path, before string) string {
	q := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "person": f.Person, "result": f.Result, "from": f.From, "to": f.To, "address": f.Address, "before": before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (s *site) audit(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	v := &auditPage{page: page{Title: text.Say("Audit log"), Wide: true}, Kinds: s.eventKinds(), Results: []option{
		{Label: s.lang.HTML(text.Say("All"))}, {Value: sallyport.Done, Label: s.lang.HTML(text.Say("Done"))}, {Value: sallyport.Refused, Label: s.lang.HTML(text.Say("Refused"))}}}
	var filter sallyport.EventFilter
	v.Filter, filter, v.Errors = readAuditFilter(q)
	if len(v.Errors) > 0 {
		return s.render(w, r, http.StatusUnprocessableEntity, "audit", v)
	}
	found, err := s.service.AuditLog(r.Context(), by(r), filter, q.Get("before"), listPage)
	if err != nil {
		return err
	}
	me, _ := by(r).User()
	v.Events = make([]auditLine, 0, len(found.Events))
	for _, e := range found.Events {
		v.Events = append(v.Events, s.auditLine(me, found, e, v.Filter.Person != ""))
	}
	if q.Get("before") != "" {
		v.Pager.Newer = v.Filter.at(auditPath, "")
	}
	if found.More {
		v.Pager.Older = v.Filter.at(auditPath, found.Events[len(found.Events)-1].ID)
	}
	v.CSV = v.Filter.at(auditPath+".csv", "")
	return s.render(w, r, http.StatusOK, "audit", v)
}

// named returns a person as the caller may see them.
func named(me sallyport.User, p sallyport.AuditPage, id string) auditPerson {
	u := p.People[id]
	return auditPerson{ID: id, Name: nameOf(u), Opens: u.ID != "" && me.Role.Over(u.Role)}
}

// eventKinds returns the options of the filter, ordered by their texts.
func (s *site) eventKinds() []option {
	var all []option
	for kind, words := range eventWords {
		all = append(all, option{Value: kind, Label: s.lang.HTML(words), Group: s.lang.HTML(kindGroups[groupOf(kind)])})
	}
	slices.SortFunc(all, func(a, b option) int {
		return cmp.Or(cmp.Compare(groupOf(a.Value), groupOf(b.Value)), cmp.Compare(a.Label, b.Label))
	})
	return append([]option{{Label: s.lang.HTML(text.Say("All"))}}, all...)
}

// kindGroups are the groups of event kinds, in their order.
var kindGroups = []text.Message{text.Say("Signing in"), text.Say("Two-factor authentication"), text.Say("People"), text.Say("Workspace")}

// kindParts are indexes into kindGroups, by the part of a kind before the dot.
var kindParts = map[string]int{
	"sign_in": 0, "session": 0, "password": 0, "code": 0, "approval": 0,
	"authenticator": 1, "passkey": 1, "recovery_code": 1, "recovery_codes": 1, "set_up_code": 1, "trusted_device": 1, "two_factor": 1,
	"user": 2, "email": 2, "invitation": 2,
	"brand": 3, "clock": 3, "mail": 3, "policy": 3, "signing_key": 3, "workspace": 3,
}

// groupOf returns the index of a kind's group.
func groupOf(kind string) int {
	about, _, _ := strings.Cut(kind, ".")
	return kindParts[about]
}

// auditColumns are the names of the CSV's columns. Programs read them, so they are the same in every language.
var auditColumns = []string{"time", "kind", "event", "result", "actor", "actor_id", "subject", "subject_id", "door", "address", "browser", "id"}

func (s *site) auditCSV(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	_, filter, wrong := readAuditFilter(q)
	if len(wrong) > 0 {
		return errFormBroken
	}
	before, more := "", true
	return s.download(w, r, "audit.csv", auditColumns, func() (rows [][]string, err error) {
		if !more {
			return nil, nil
		}
		p, err := s.service.AuditLog(r.Context(), by(r), filter, before, csvPage)
		if err != nil {
			return nil, err
		}
		for _, e := range p.Events {
			before = e.ID
			rows = append(rows, []string{e.At.UTC().Format("2006-01-02T15:04:05.000Z"), e.Kind, s.lang.Text(newEvent(e).Words), e.Result,
				cmp.Or(p.People[e.Actor].Address, e.ActorKind), e.Actor, p.People[e.Subject].Address, e.Subject, string(e.Door), e.Address, e.Agent, e.ID})
		}
		more = p.More
		return rows, nil
	})
}
