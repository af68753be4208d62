package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const bulkPath = usersPath + "/bulk/"

// bulkFields are the fields of the page that asks for confirmation. The ids are separated by spaces.
var bulkFields = []string{"ids", "back"}

// bulkAction is an action on several people, with a page that asks for confirmation first.
type bulkAction struct {
	action   sallyport.BulkAction
	may      sallyport.Action
	menu     text.Message // on the button
	title    func(n int) text.Message
	question text.Message
	danger   bool
}

var bulkActions = []bulkAction{
	{
		action: sallyport.BulkRemind, may: sallyport.RemindPeople, menu: text.Say("Send a reminder"),
		title:    func(n int) text.Message { return text.Count(n, "Remind {n} person?", "Remind {n} people?") },
		question: text.Say("They get an e-mail that asks them to set up two-factor authentication."),
	},
	{
		action: sallyport.BulkSignOut, may: sallyport.SignOutPeople, menu: text.Say("Sign out everywhere"),
		title: func(n int) text.Message {
			return text.Count(n, "Sign {n} person out everywhere?", "Sign {n} people out everywhere?")
		},
		question: text.Say("All their sessions and trusted devices end at once."),
	},
	{
		action: sallyport.BulkSuspend, may: sallyport.SuspendPeople, menu: text.Say("Suspend"), danger: true,
		title:    func(n int) text.Message { return text.Count(n, "Suspend {n} person?", "Suspend {n} people?") },
		question: text.Say("They are signed out everywhere, and cannot sign in until you restore their accounts."),
	},
	{
		action: sallyport.BulkRestore, may: sallyport.SuspendPeople, menu: text.Say("Restore"),
		title:    func(n int) text.Message { return text.Count(n, "Restore {n} person?", "Restore {n} people?") },
		question: text.Say("They can sign in again. People who had not accepted their invitation need a new one."),
	},
}

// works reports whether an action can have an effect: a reminder needs a mail server.
func (s *site) works(a bulkAction) bool {
	return a.action != sallyport.BulkRemind || s.service.Mailer != nil
}

// bulkPage asks before an action on several people, and shows who was skipped.
type bulkPage struct {
	page
	Question     text.Message
	Button       text.Message // zero: there is nothing to confirm
	Danger       bool
	IDs          string // of the people it affects
	People       []bulkRow
	Skipped      []bulkRow
	SkippedTitle text.Message
	Back         string
}

// bulkRow is a person, and why they are skipped, if they are.
type bulkRow struct {
	personRow
	Why text.Message
}

// bulkRows splits results by whether the person is skipped.
func (s *site) bulkRows(c sallyport.Caller, all []sallyport.BulkResult) (people, skipped []bulkRow) {
	for _, b := range all {
		row := bulkRow{personRow: s.personRow(c, b.User)}
		var e *sallyport.Error
		if errors.As(b.Err, &e) {
			row.Why = said(e)
			skipped = append(skipped, row)
		} else {
			people = append(people, row)
		}
	}
	return people, skipped
}

// backToUsers returns the address of the list that the caller came from, or of the list of all people.
func (s *site) backToUsers(f form) string {
	if back := f.Get("back"); strings.HasPrefix(back, usersPath+"?") && s.local(back) {
		return back
	}
	return usersPath
}

func (s *site) confirmBulk(a bulkAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := readQuery(r, "id")
		if err != nil {
			return err
		}
		v := &bulkPage{page: page{Wide: true}, Question: a.question, Danger: a.danger, Back: s.backToUsers(q)}
		ids := q.All("id")
		if q.Has("ids") { // the user comes back from a step-up
			ids = strings.Fields(q.Get("ids"))
		}
		plan, err := s.service.PlanBulk(r.Context(), by(r), a.action, ids)
		if err != nil {
			v.Title, v.Question = a.menu, text.Message{}
			return s.again(w, r, "bulk", v, err)
		}
		v.People, v.Skipped = s.bulkRows(by(r), plan)
		v.Title, v.SkippedTitle = a.title(len(v.People)), text.Count(len(v.Skipped), "{n} person is skipped", "{n} people are skipped")
		switch {
		case !s.works(a):
			v.Question = noReminder
		case len(v.People) > 0:
			v.Button, v.IDs = a.menu, joinIDs(v.People)
		}
		return s.render(w, r, http.StatusOK, "bulk", v)
	}
}

func joinIDs(people []bulkRow) string {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.ID
	}
	return strings.Join(ids, " ")
}

// doBulk performs the action and redirects to the list. If people were skipped, it shows who and why instead.
func (s *site) doBulk(a bulkAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		f, err := readForm(w, r, "id")
		if err != nil {
			return err
		}
		v := &bulkPage{page: page{Title: a.menu, Wide: true}, Back: s.backToUsers(f)}
		ids := append(f.All("id"), strings.Fields(f.Get("ids"))...)
		done, err := s.service.DoBulk(r.Context(), by(r), a.action, ids)
		if err != nil {
			return s.again(w, r, "bulk", v, err)
		}
		people, skipped := s.bulkRows(by(r), done)
		v.Notice = counted["bulk-"+string(a.action)](len(people))
		if len(skipped) == 0 {
			return s.done(w, r, v.Back, "bulk-"+string(a.action)+"."+strconv.Itoa(len(people)))
		}
		v.Skipped, v.SkippedTitle = skipped, text.Count(len(skipped), "{n} person was skipped", "{n} people were skipped")
		return s.render(w, r, http.StatusConflict, "bulk", v)
	}
}

type inviteSeveralPage struct {
	page
	Emails, Role string
	Roles        []option
	ByPassword   bool // they get a temporary password instead of a link
	Limit        int
	Results      []inviteRow
}

// inviteRow is the result of one line.
type inviteRow struct {
	sallyport.InviteResult
	Line string
	Why  text.Message // why the line was not invited; zero: it was
}

func (s *site) inviteSeveralPage(r *http.Request, f form) *inviteSeveralPage {
	v := &inviteSeveralPage{
		page: page{Title: text.Say("Invite several people"), Wide: true}, Emails: f.Get("emails"), Role: f.Get("role"), Limit: sallyport.InviteLimit,
		Roles: s.inviteOptions(by(r)), ByPassword: by(r).Policy().InviteMethod == sallyport.InviteByPassword,
	}
	if v.Role == "" {
		v.Role = string(sallyport.Member)
	}
	return v
}

func (s *site) newUsers(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "users-new", s.inviteSeveralPage(r, s.filled(w, r)))
}

// newUsersPost redirects to the newest people if all were invited. Otherwise it shows the result of each line, and
// keeps the lines that were not invited in the form.
func (s *site) newUsersPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	v := s.inviteSeveralPage(r, f)
	lines, people := readInvitees(v.Emails)
	results, err := s.service.InviteSeveral(r.Context(), by(r), people, sallyport.Role(v.Role))
	if err != nil {
		return s.again(w, r, "users-new", v, err)
	}
	var left []string
	for i, res := range results {
		row := inviteRow{InviteResult: res, Line: lines[i]}
		var e *sallyport.Error
		if errors.As(res.Err, &e) {
			row.Why = said(e)
			left = append(left, lines[i])
		}
		v.Results = append(v.Results, row)
	}
	if len(left) == 0 {
		f := sallyport.PeopleFilter{Order: sallyport.ByCreated, Reverse: true}
		return s.done(w, r, listAddress(usersPath, f), s.mailed("invited-several")+"."+strconv.Itoa(len(results)))
	}
	v.Emails = strings.Join(left, "\n")
	v.Errors = []fieldError{{"emails", text.Count(len(left), "{n} line was not invited. Correct it here, or remove it.", "{n} lines were not invited. Correct them here, or remove them.")}}
	return s.render(w, r, http.StatusUnprocessableEntity, "users-new", v)
}

// readInvitees reads one person per line: an address, or a name followed by the address in angle brackets. If there is
// no name, it derives one from the part before the @, which people can correct when they accept.
func readInvitees(s string) (lines []string, people []sallyport.Invitee) {
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		p := sallyport.Invitee{Address: line}
		if name, address, ok := strings.Cut(strings.TrimSuffix(line, ">"), "<"); ok {
			p = sallyport.Invitee{Name: strings.Trim(name, ` "`), Address: strings.TrimSpace(address)}
		}
		if p.Name == "" {
			local, _, _ := strings.Cut(p.Address, "@")
			words := strings.FieldsFunc(local, func(c rune) bool { return strings.ContainsRune("._-+", c) })
			for i, w := range words {
				first := firstLetter(w)
				words[i] = first + w[min(len(first), len(w)):]
			}
			p.Name = strings.Join(words, " ")
		}
		lines, people = append(lines, line), append(people, p)
	}
	return lines, people
}
