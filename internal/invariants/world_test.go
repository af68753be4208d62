// Package invariants_test attacks the pages as they are served: on a real listener, with both databases and two nodes.
// The name of each test contains the number of the invariant that it tries to break. There are only tests here.
//
// crawl_test.go and input_test.go walk the route table, so that every new page is tested as well.
package invariants_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/web"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

type (
	Env     = sallyporttest.Env
	Site    = sallyporttest.Site
	Visitor = sallyporttest.Visitor
	Page    = sallyporttest.Page
	Person  = sallyporttest.Person
	Fields  = sallyporttest.Fields
	Request = sallyporttest.Request
)

// each runs a test with both databases, over HTTP.
func each(t *testing.T, fn func(t *testing.T, s *Site)) {
	t.Helper()
	t.Parallel()
	sallyporttest.Each(t, func(t *testing.T, e *Env) { fn(t, sallyporttest.NewSite(t, e)) })
}

const minute = time.Minute

// member adds a person without two-factor authentication, enrolled one with it.
func member(s *Site, name string) Person { return s.Add(name+"@acme.example", sallyport.Member) }

func enrolled(s *Site, name string) (Person, *Visitor) {
	p := member(s, name)
	v := s.Visitor()
	v.Enrol(&p, "Pixel of "+name)
	return p, v
}

// atChallenge returns a browser in which the password has been entered, but not the code.
func atChallenge(s *Site, p Person) *Visitor {
	s.T.Helper()
	v := s.Visitor()
	if to := v.GivePassword(p).Location; to != "/sign-in/2fa" {
		s.T.Fatalf("the password of %s leads to %q: %d %s", p.Address, to, v.Page.Status, v.Page.Alert())
	}
	return v
}

func answer(v *Visitor, code string) *Page { return v.Post("/sign-in/2fa", Fields{"code": code}) }

// wrongCode returns a code that is not valid at any time near the current one.
func wrongCode(s *Site, p Person) string {
	for _, c := range []string{"000000", "111111", "222222", "333333", "444444", "555555"} {
		right := false
		for d := -3; d <= 3; d++ {
			right = right || p.Code(s.Clock.Now().Add(time.Duration(d)*30*time.Second)) == c
		}
		if !right {
			return c
		}
	}
	panic("every code is right")
}

// setColumns changes a user's row, for states that no page can reach or that an attacker has written.
func setColumns(s *Site, p Person, assignment string) {
	s.T.Helper()
	if n := s.Exec("UPDATE users SET "+assignment+" WHERE id = $1", p.ID); n != 1 {
		s.T.Fatalf("%s: %d rows", assignment, n)
	}
}

func require(s *Site, whom string) {
	s.T.Helper()
	s.Exec("UPDATE policies SET require_2fa = $1, version = version + 1", whom)
}

// secondWorkspace creates a second workspace with an owner, and returns its URL. The first workspace is its reseller, and has no
// access to it all the same.
func secondWorkspace(s *Site) (address string, owner Person) {
	s.T.Helper()
	s.Clock.Advance(time.Second) // so that the first workspace is the older one
	host := "globex." + strings.TrimPrefix(s.URL, "http://")
	s.Check(s.AddWorkspace(context.Background(), s.Owner.Workspace, host, sallyport.FirstOwner{
		Workspace: "Globex", Name: "Gustav Globex", Address: "gustav@globex.example", Password: sallyporttest.Password,
	}))
	by, err := s.Service.Console(context.Background(), host)
	s.Check(err)
	people, err := s.Users(context.Background(), by, "", 1)
	s.Check(err)
	return "http://" + host, Person{User: people[0], Password: sallyporttest.Password}
}

// events counts the events of a kind.
func events(s *Site, kind string) int {
	s.T.Helper()
	return len(s.Query("SELECT id FROM events WHERE kind = $1", kind))
}

func sessions(s *Site) int {
	s.T.Helper()
	return len(s.Query("SELECT id FROM sessions"))
}

// routes returns all pages, with every {parameter} filled in.
func routes(method string) (all []web.Route) {
	for _, r := range web.Routes() {
		if r.Method == method {
			r.Path = parameter.ReplaceAllStringFunc(r.Path, func(p string) string {
				if p == "{$}" {
					return ""
				}
				return "none"
			})
			all = append(all, r)
		}
	}
	if len(all) < 5 {
		panic("the route table is all but empty")
	}
	return all
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// sessionCookies returns the cookies of a response that could sign a user in.
func sessionCookies(p *Page) (names []string) {
	for _, c := range p.Cookies {
		if c.Value != "" && slices.Contains([]string{"session", "trust"}, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// uncounted forgets how much people wrote to their own accounts: like a try, it is counted when a form is parked.
const uncounted = "UPDATE users SET changes = 0, changes_since = 0"

// snapshot returns the database without what a GET request may change: when, where and with what a session was last used,
// and the event for secrets that were shown.
func snapshot(s *Site) string {
	s.T.Helper()
	s.Exec(uncounted)
	all := s.Dump("sessions", "events", "unsealed")
	for _, query := range []string{
		"SELECT workspace_id, user_id, id, hash, epoch, proofs, expires_at FROM sessions ORDER BY id",
		"SELECT id, kind, detail FROM events WHERE kind NOT LIKE '%.shown' ORDER BY id",
	} {
		all += "\n" + lines(s.Query(query))
	}
	return all
}

// changed describes the difference between two snapshots.
func changed(before, after string) string {
	var diff []string
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, l := range old {
		if !slices.Contains(now, l) {
			diff = append(diff, "- "+l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			diff = append(diff, "+ "+l)
		}
	}
	return strings.Join(diff, "\n")
}

// someone is a browser of one kind of user.
type someone struct {
	kind string
	*Visitor
	Person
}

// everyKind returns a browser of every kind of user, for crawls.
func everyKind(s *Site) []someone {
	s.T.Helper()
	mia, miasBrowser := enrolled(s, "mia")
	ben := member(s, "ben")
	bens := s.Visitor()
	bens.SignIn(ben)
	owner := s.Owner
	owners := s.Visitor()
	owners.Enrol(&owner, "Owner's")
	forced := member(s, "frida")
	forceds := s.Visitor()
	forceds.SignIn(forced)
	setColumns(s, forced, "must_set_up = 1")
	setting := member(s, "sven")
	setColumns(s, setting, "must_set_up = 1")
	svens := s.Visitor()
	svens.GivePassword(setting)
	ended := s.Visitor()
	ended.SignIn(ben)
	copied := ended.Fork()
	ended.Post("/sign-out", Fields{})
	return []someone{
		{"nobody", s.Visitor(), Person{}},
		{"a member with two-factor authentication", miasBrowser, mia},
		{"a member without", bens, ben},
		{"the owner", owners, owner},
		{"a member who must set up", forceds, forced},
		{"a sign-in that waits for a code", atChallenge(s, mia), mia},
		{"a sign-in that waits for set-up", svens, setting},
		{"a session that was signed out", copied, ben},
	}
}

// post returns a form as a page of the site sends it, with its header.
func post(v *Visitor, path, body string) Request {
	return Request{Method: http.MethodPost, Target: path, Header: v.PostHeader(), Body: body}
}
