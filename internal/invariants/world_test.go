// Package invariants_test attacks the pages as they are served: a real listener, both databases, two nodes. Each test
// bears the number of what must never happen. It has tests only.
//
// What holds for every page is a crawl over the route table, so that a page added tomorrow is held to it as well:
// crawl_test.go and input_test.go.
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

// each runs a test on both databases, over HTTP.
func each(t *testing.T, fn func(t *testing.T, s *Site)) {
	t.Helper()
	t.Parallel()
	sallyporttest.Each(t, func(t *testing.T, e *Env) { fn(t, sallyporttest.NewSite(t, e)) })
}

const minute = time.Minute

// member adds somebody without two-factor authentication; enrolled somebody with.
func member(s *Site, name string) Person { return s.Add(name+"@acme.example", sallyport.Member) }

func enrolled(s *Site, name string) (Person, *Visitor) {
	p := member(s, name)
	v := s.Visitor()
	v.Enrol(&p, "Pixel of "+name)
	return p, v
}

// halfway is a browser that gave a person's password and owes the code.
func halfway(s *Site, p Person) *Visitor {
	s.T.Helper()
	v := s.Visitor()
	if to := v.GivePassword(p).Location; to != "/sign-in/2fa" {
		s.T.Fatalf("the password of %s leads to %q: %d %s", p.Address, to, v.Page.Status, v.Page.Alert())
	}
	return v
}

func answer(v *Visitor, code string) *Page { return v.Post("/sign-in/2fa", Fields{"code": code}) }

// wrongCode is one that is right at no time near now.
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

// sql changes what no page changes yet, or what an attacker has changed.
func set(s *Site, p Person, assignment string) {
	s.T.Helper()
	if n := s.Exec("UPDATE users SET "+assignment+" WHERE id = $1", p.ID); n != 1 {
		s.T.Fatalf("%s: %d rows", assignment, n)
	}
}

func require(s *Site, whom string) {
	s.T.Helper()
	s.Exec("UPDATE policies SET require_2fa = $1, version = version + 1", whom)
}

// other makes a second workspace with its owner, and gives its address. The first is its reseller, which reaches nothing
// in it all the same.
func other(s *Site) (address string, owner Person) {
	s.T.Helper()
	s.Clock.Advance(time.Second) // the first workspace is the older one
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

// events counts those of a kind.
func events(s *Site, kind string) int {
	s.T.Helper()
	return len(s.Query("SELECT id FROM events WHERE kind = $1", kind))
}

func sessions(s *Site) int {
	s.T.Helper()
	return len(s.Query("SELECT id FROM sessions"))
}

// routes are all pages, with every {parameter} filled in.
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

// sessionCookies are the cookies of an answer that could sign somebody in.
func sessionCookies(p *Page) (names []string) {
	for _, c := range p.Cookies {
		if c.Value != "" && slices.Contains([]string{"session", "trust"}, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// snapshot is the database without what a look may change: when, where and with what a session was last seen, and the
// event that tells of secrets shown.
func snapshot(s *Site) string {
	s.T.Helper()
	all := s.Dump("sessions", "events")
	for _, query := range []string{
		"SELECT workspace_id, user_id, id, hash, epoch, proofs, expires_at FROM sessions ORDER BY id",
		"SELECT id, kind, detail FROM events WHERE kind NOT LIKE '%.shown' ORDER BY id",
	} {
		all += "\n" + lines(s.Query(query))
	}
	return all
}

// changed says what differs between two snapshots, for a person to read.
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

// someone is a browser of a certain kind of person.
type someone struct {
	kind string
	*Visitor
	Person
}

// cast is a browser of every kind of person that there is: what a crawl goes by.
func cast(s *Site) []someone {
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
	set(s, forced, "must_set_up = 1")
	setting := member(s, "sven")
	set(s, setting, "must_set_up = 1")
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
		{"a sign-in that waits for a code", halfway(s, mia), mia},
		{"a sign-in that waits for set-up", svens, setting},
		{"a session that was signed out", copied, ben},
	}
}

// post is a form as a page of the site's own sends it, with its header as it stands.
func post(v *Visitor, path, body string) Request {
	return Request{Method: http.MethodPost, Target: path, Header: v.PostHeader(), Body: body}
}
