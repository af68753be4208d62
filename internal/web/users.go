package web

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const usersPath = "/admin/users"

type usersPage struct {
	page
	Search, TwoFactor, Role, State, Sort string

	TwoFactors, Roles, States, Sorts []option
	People                           []userRow
	Total                            text.Message // how many people the list has, and which are on this page; empty: not known
	Unsorted, Wide                   bool         // a search finds too many people to sort, or to read
	Pager                            pager
	CSV                              string
	ByName, ByAddress                column
	Sortable                         []column // the columns 2FA, last sign-in and added
	MayInvite, Filtered              bool
	Bulk                             []link // actions on several people that the caller may perform
	Here                             string // the address of the list
	InGroup                          string // the id of a group: only its people are listed
	Group                            string // its name; empty if it does not exist
}

// personRow is a person in a list. If their role is above the caller's, there is no link to their page.
type personRow struct {
	sallyport.User
	State                  sallyport.State // may be Locked
	Called, TwoFactorState string
	Href                   string
	Self                   bool
}

func (s *site) personRow(c sallyport.Caller, u sallyport.User) personRow {
	me, _ := c.User()
	now := s.service.Now()
	row := personRow{User: u, State: u.StateAt(now), Called: nameOf(u), TwoFactorState: c.Policy().TwoFactorState(u, now), Self: u.ID == me.ID}
	if me.Role.Over(u.Role) {
		row.Href = userPath(u.ID)
	}
	return row
}

// userRow is a personRow as the list of all people shows it. A template takes more than a microsecond for each call of
// a function and each field of an embedded struct, and there are 50 rows, so the values of a row are prepared in Go.
type userRow struct {
	ID, Called, Address string
	Opens, Self         bool
	Marks               template.HTML
	LastSignIn, Method  template.HTML
	Added               template.HTML
	MenuName, Menu      template.HTML
	Tick                string // the name of the row's checkbox
}

// userMarks are values of a user that are few enough for part.
type userMarks struct{ Role, State string }

type userFactor struct {
	State   string
	Passkey bool
}

func (s *site) userRow(c sallyport.Caller, u sallyport.User) userRow {
	p := s.personRow(c, u)
	row := userRow{
		ID: u.ID, Called: p.Called, Address: u.Address, Opens: p.Href != "", Self: p.Self,
		Marks: s.part("user-role", userMarks{string(u.Role), string(p.State)}) + s.lockHint(u) + s.part("user-2fa", userFactor{p.TwoFactorState, u.HasPasskey}),
		Added: s.shortDate(u.CreatedAt), Menu: s.menu(menuFor(c, u, s.service.Now())),
	}
	if !u.LastSignInAt.IsZero() {
		row.LastSignIn, row.Method = s.shortTime(u.LastSignInAt), s.lang.HTML(methodWords[u.LastSignInMethod])
	}
	if row.Menu != "" {
		row.MenuName = s.lang.HTML(text.Say("for <bdi>{name}</bdi>", "name", p.Called))
		row.Tick = s.lang.Text(text.Say("Select {name}", "name", p.Called))
	}
	return row
}

// column is the heading of a sortable column.
type column struct {
	Href string
	Sort string // value of aria-sort; empty: the list is not sorted by it
	Text text.Message
}

// sortBy returns the heading of a column. order is that of the list; if the list is sorted by this column already, the
// link reverses it.
func sortBy(o sallyport.Order, words text.Message, f sallyport.PeopleFilter, order sallyport.Order) column {
	c, to := column{Text: words}, f
	to.Order, to.Reverse = o, false
	if order == o {
		to.Reverse, c.Sort = !f.Reverse, "ascending"
		if f.Reverse {
			c.Sort = "descending"
		}
	}
	c.Href = listAddress(usersPath, to)
	return c
}

// peopleFilter reads a filter from the query of the list. It ignores unknown values.
func peopleFilter(q form) sallyport.PeopleFilter {
	sort, reverse := q.Get("sort"), false
	if len(sort) > 0 && sort[0] == '-' {
		sort, reverse = sort[1:], true
	}
	f := sallyport.PeopleFilter{
		Search: q.Get("q"), TwoFactor: oneOf(q.Get("two_factor"), sallyport.TwoFactorEnabled, sallyport.TwoFactorDisabled, sallyport.TwoFactorRequired, sallyport.WithPasskey, sallyport.WithoutPasskey),
		Role: oneOf(sallyport.Role(q.Get("role")), sallyport.Roles...), State: oneOf(sallyport.State(q.Get("state")), append([]sallyport.State{sallyport.Locked}, sallyport.States...)...),
		Group: q.Get("group"),
		Order: oneOf(sallyport.Order(sort), sallyport.ByName, sallyport.ByAddress, sallyport.ByCreated, sallyport.ByLastSignIn, sallyport.ByTwoFactor), Reverse: reverse,
	}
	if f.Order == "" {
		f.Order = sallyport.ByName
	}
	return f
}

func oneOf[T ~string](v T, all ...T) T {
	if slices.Contains(all, v) {
		return v
	}
	return ""
}

// sortOf returns a filter's order as it is written in the address.
func sortOf(f sallyport.PeopleFilter) string {
	if f.Reverse {
		return "-" + string(f.Order)
	}
	return string(f.Order)
}

// listAddress returns the address of a list with the filter, and with other names and values.
func listAddress(path string, f sallyport.PeopleFilter, others ...string) string {
	q := url.Values{}
	for name, value := range map[string]string{
		"q": f.Search, "two_factor": f.TwoFactor, "role": string(f.Role), "state": string(f.State), "group": f.Group, "sort": sortOf(f),
	} {
		if value != "" && (name != "sort" || value != string(sallyport.ByName)) {
			q.Set(name, value)
		}
	}
	for i := 0; i+1 < len(others); i += 2 {
		q.Set(others[i], others[i+1])
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (s *site) users(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	f := peopleFilter(q)
	list, err := s.service.People(r.Context(), by(r), f, q.Get("after"), q.Get("before"))
	if err != nil {
		return err
	}
	v, c := s.newUsersPage(f, list.Order), by(r)
	me, _ := c.User()
	v.Total, v.Wide = totalWords(list), list.Wide
	v.MayInvite = me.Role.May(sallyport.InvitePeople)
	v.Here, v.Group = r.URL.RequestURI(), list.Group.Name
	for _, a := range bulkActions {
		if me.Role.May(a.may) && s.works(a) {
			v.Bulk = append(v.Bulk, link{Href: bulkPath + string(a.action), Text: a.menu})
		}
	}
	v.People = make([]userRow, 0, len(list.People))
	for _, u := range list.People {
		v.People = append(v.People, s.userRow(c, u))
	}
	if n := len(list.People); n > 0 {
		if list.Before {
			v.Pager.Newer = listAddress(usersPath, f, "before", list.People[0].ID)
		}
		if list.Beyond {
			v.Pager.Older = listAddress(usersPath, f, "after", list.People[n-1].ID)
		}
	}
	return s.render(w, r, http.StatusOK, "users", v)
}

// totalWords says which people of a list are on the page, and how many the list has.
func totalWords(l sallyport.PeopleList) text.Message {
	last := l.First + len(l.People) - 1
	switch {
	case l.Total == 0:
		return text.Message{}
	case l.More && l.First == 0:
		return text.Say("More than {total} people", "total", l.Total)
	case l.More:
		return text.Say("{first}–{last} of more than {total}", "first", l.First, "last", last, "total", l.Total)
	case l.Before || l.Beyond:
		return text.Say("{first}–{last} of {total}", "first", l.First, "last", last, "total", l.Total)
	}
	return peopleWords(l.Total)
}

// menu returns the items of a row's menu. They are built here because a template takes a hundred times as long, and
// there are hundreds of them on a page.
func (s *site) menu(all []link) template.HTML {
	var b strings.Builder
	b.Grow(128 * len(all))
	denied := false
	for _, l := range all {
		if l.Denied {
			b.WriteString(`<li><button type="button" class="btn" disabled aria-describedby="restricted">`)
			b.WriteString(string(s.lang.HTML(l.Text)))
			b.WriteString(`</button></li>`)
			denied = true
			continue
		}
		b.WriteString(`<li><a href="`)
		b.WriteString(template.HTMLEscapeString(l.Href))
		b.WriteString(`" data-confirm>`)
		b.WriteString(string(s.lang.HTML(l.Text)))
		b.WriteString(`</a></li>`)
	}
	if denied {
		b.WriteString(`<li><a href="` + afterRecoveryPath + `">`)
		b.WriteString(string(s.lang.HTML(text.Say("Why are some of these disabled?"))))
		b.WriteString(`</a></li>`)
	}
	return template.HTML(b.String())
}

// newUsersPage returns the page without its people. order is the order of the people: the filter's, or ByWord.
func (s *site) newUsersPage(f sallyport.PeopleFilter, order sallyport.Order) *usersPage {
	say := s.lang.HTML
	anything := option{Label: say(text.Say("Any"))}
	v := &usersPage{
		page: page{Title: text.Say("Users"), Wide: true}, Search: f.Search, TwoFactor: f.TwoFactor, Role: string(f.Role),
		State: string(f.State), Sort: sortOf(f), Pager: pager{Sorted: true}, CSV: listAddress(usersPath+".csv", f),
		Filtered: f.Search != "" || f.TwoFactor != "" || f.Role != "" || f.State != "" || f.Group != "", Unsorted: order == sallyport.ByWord, InGroup: f.Group,
		ByName: sortBy(sallyport.ByName, text.Say("Name"), f, order), ByAddress: sortBy(sallyport.ByAddress, text.Say("E-mail address"), f, order),
		Sortable: []column{sortBy(sallyport.ByTwoFactor, text.Say("2FA"), f, order), sortBy(sallyport.ByLastSignIn, text.Say("Last sign-in"), f, order),
			sortBy(sallyport.ByCreated, text.Say("Added"), f, order)},
		TwoFactors: []option{anything, {Value: "enabled", Label: say(text.Say("Enabled"))}, {Value: "disabled", Label: say(text.Say("Disabled"))},
			{Value: "required", Label: say(text.Say("Set-up required"))}, {Value: sallyport.WithPasskey, Label: say(text.Say("With a passkey"))},
			{Value: sallyport.WithoutPasskey, Label: say(text.Say("Without a passkey"))}},
		Roles: append([]option{anything}, s.roleOptions(sallyport.Owner)...),
		States: []option{anything, {Value: "active", Label: say(text.Say("Active"))}, {Value: "invited", Label: say(text.Say("Invited"))},
			{Value: "locked", Label: say(text.Say("Locked"))}, {Value: "suspended", Label: say(text.Say("Suspended"))}},
	}
	for _, o := range sorts {
		v.Sorts = append(v.Sorts, option{Value: o.value, Label: say(o.words)})
	}
	return v
}

// sorts are the orders of the list, with their names in its address.
var sorts = []struct {
	value string
	words text.Message
}{
	{"name", text.Say("Name")}, {"-name", text.Say("Name, from the end")},
	{"address", text.Say("E-mail address")}, {"-address", text.Say("E-mail address, from the end")},
	{"two_factor", text.Say("2FA, enabled first")}, {"-two_factor", text.Say("2FA, disabled first")},
	{"-last_sign_in", text.Say("Last sign-in, latest first")}, {"last_sign_in", text.Say("Last sign-in, longest ago first")},
	{"-created", text.Say("Added, newest first")}, {"created", text.Say("Added, oldest first")},
}

// roleWords are the names of roles.
var roleWords = map[sallyport.Role]text.Message{
	sallyport.Owner: text.Say("Owner"), sallyport.Admin: text.Say("Admin"), sallyport.Manager: text.Say("Manager"), sallyport.Member: text.Say("Member"),
}

// roleOptions returns the roles that a person with the role of can give.
func (s *site) roleOptions(of sallyport.Role) (all []option) {
	for _, r := range sallyport.Roles {
		if of.Over(r) {
			all = append(all, option{Value: string(r), Label: s.lang.HTML(roleWords[r])})
		}
	}
	return all
}

// inviteOptions returns the roles that the caller can invite into, including those that the current session cannot give
// yet.
func (s *site) inviteOptions(c sallyport.Caller) []option {
	me, _ := c.User()
	all := s.roleOptions(me.Role)
	for i := range all {
		all[i].Denied = c.Withholds(sallyport.InvitePeople, sallyport.User{Role: sallyport.Role(all[i].Value)})
	}
	return all
}

var usersColumns = []string{"email", "name", "role", "state", "two_factor", "two_factor_since", "last_sign_in", "created", "locked_by", "locked_until", "passkey", "groups"}

func (s *site) usersCSV(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	f, c := peopleFilter(q), by(r)
	var last sallyport.User
	return s.download(w, r, "users.csv", usersColumns, func() ([][]string, error) {
		people, err := s.service.NextPeople(r.Context(), c, f, last)
		if err != nil {
			return nil, err
		}
		groups, err := s.service.GroupsOfPeople(r.Context(), c, people)
		rows := make([][]string, len(people))
		for i, u := range people {
			last = u
			now, by, until := s.service.Now(), "", ""
			if u.Locked(now) {
				by = string(u.LockedBy)
				if !u.LockedForGood() {
					until = csvTime(u.LockedUntil)
				}
			}
			rows[i] = []string{u.Address, u.Name, string(u.Role), string(u.StateAt(now)), c.Policy().TwoFactorState(u, now),
				csvTime(u.TwoFactorSince), csvTime(u.LastSignInAt), csvTime(u.CreatedAt), by, until, yesNo(u.HasPasskey), joinNames(groups[u.ID])}
		}
		return rows, err
	})
}

func joinNames(groups []sallyport.Group) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	return strings.Join(names, ", ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func csvTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
