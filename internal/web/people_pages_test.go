package web_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// widths are those of a phone, a tablet, a laptop and a large screen.
var widths = []int{360, 768, 1280, 1920}

// inspect checks what every page must fulfil, at every width, alternating between light and dark.
func inspect(t *testing.T, b *sallyporttest.Browser, name string) {
	t.Helper()
	for i, width := range widths {
		look := sallyporttest.Look{Width: width, Dark: i%2 == 0}
		b.Look(look)
		if *screenshots != "" {
			save(t, filepath.Join(*screenshots, fmt.Sprintf("%s-%d.png", name, width)), b.Screenshot(name))
		}
		b.Fits()
		if width <= 1280 {
			sallyporttest.Axe(b)
		}
	}
	b.Look(sallyporttest.Look{})
	b.Clean()
}

// longNamed adds people whose names and addresses have the maximum length, with and without places to break.
func longNamed(e *sallyporttest.Env) {
	e.T.Helper()
	var people []someone
	for i := range 60 {
		p := someone{fmt.Sprintf("Kim %02d", i), fmt.Sprintf("kim%02d@acme.example", i), "member"}
		switch i % 4 {
		case 1:
			p.name = strings.Repeat("Maximiliane von Hohenstein ", 4)[:98] + fmt.Sprintf("%02d", i)
		case 2:
			p.name = strings.Repeat("x", 98) + fmt.Sprintf("%02d", i)
			p.address = strings.Repeat("y", 60) + fmt.Sprintf("%02d", i) + "@" + strings.Repeat("z.", 30) + "example"
		}
		people = append(people, p)
	}
	fill(e, people)
	lastSignIn(e, "usr_kim%", e.Clock.Now().UnixMilli(), "trusted_device")
	e.Exec("UPDATE users SET must_set_up = 1 WHERE id LIKE 'usr_kim_4%'")
}

// TestUsersListFitsItsBox: at any width, nothing overflows or is cut off, however long the names are. The menus of the
// rows are on top of everything. Only one is open at a time, and Escape or a click elsewhere closes it.
func TestUsersListFitsItsBox(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	longNamed(e)
	olive, _ := ownerOf(site)
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	bothFactors(e, b, olive)
	b.Open("/admin/users")
	inspect(t, b, "users")
	const item = "Sign out everywhere"
	b.DoesNotSee(item)
	for _, width := range widths {
		b.Look(sallyporttest.Look{Width: width})
		for _, name := range []string{"Kim 00", "Kim 48"} {
			b.Click("Actions for " + name)
			if open := b.Texts(":popover-open"); len(open) != 1 || !strings.Contains(open[0], item) {
				t.Errorf("%d pixels, %s: open are %q", width, name, open)
			}
			b.Fits()
		}
		if *screenshots != "" {
			save(t, filepath.Join(*screenshots, fmt.Sprintf("users-menu-%d.png", width)), b.Screenshot("menu"))
		}
		b.Press("Escape")
		b.DoesNotSee(item)
		b.Click("Actions for Kim 00")
		b.Sees(item)
		b.Check("Select Kim 52")
		b.DoesNotSee(item)
		b.Uncheck("Select Kim 52")
	}
	b.Click("Actions for Kim 04")
	b.Click("Suspend") // all of the menu can be clicked
	b.Sees("Suspend this person?")
	b.Click("Cancel")
	b.DoesNotSee("Suspend this person?")
	b.Press("Enter") // the focus is on the button that opened the menu
	b.Sees(item)
	b.Clean()
}

// TestJourneySeveralPeople acts on several people at once, from the list to the result, with and without scripts.
func TestJourneySeveralPeople(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			e.SetUpMail()
			olive, _ := ownerOf(site)
			for _, first := range []string{"ada", "ben", "cyd"} {
				p := e.Add(first+"@acme.example", sallyport.Member)
				e.Exec("UPDATE users SET name = $1 WHERE id = $2", strings.ToUpper(first[:1])+first[1:], p.ID)
			}
			e.Exec("UPDATE users SET state = 'suspended' WHERE address LIKE 'ben@%'")
			b := sallyporttest.NewBrowser(t, site.URL, l)
			bothFactors(e, b, olive)
			b.Open("/admin/users?role=member")
			act := func(item string, names ...string) {
				t.Helper()
				for _, name := range names {
					b.Check("Select " + name)
				}
				b.Click("With the selected people")
				b.ClickWithin(".pop:popover-open", item)
			}
			act("Suspend")
			b.Sees("Select at least one person in the list.")
			b.Click("Back to the list")
			act("Suspend", "Ada", "Ben", "Cyd")
			b.Sees("Suspend 2 people?")
			b.Sees("1 person is skipped")
			b.Sees("This person is suspended already.")
			look(b, "bulk")
			e.Exec("UPDATE users SET state = 'suspended' WHERE address LIKE 'cyd@%'") // while the page that asks is open
			b.Click("Suspend")
			b.Sees("1 person is suspended, and signed out everywhere.")
			b.Sees("1 person was skipped")
			look(b, "bulk-skipped")
			b.Click("Back to the list")
			act("Restore", "Ada", "Ben", "Cyd")
			b.Click("Restore")
			b.Sees("3 accounts are restored.")
			if !strings.HasSuffix(b.URL(), "/admin/users?role=member") {
				t.Errorf("afterwards at %s", b.URL())
			}
			if !l.NoScript {
				b.Check("Select all on this page")
				act("Send a reminder")
				b.Sees("Remind 3 people?")
				b.Click("Cancel")
			}
			e.Clock.Advance(sallyport.AdminIdleLimit)
			act("Send a reminder", "Ada")
			proveIt(e, b, olive)
			b.Sees("Remind 1 person?")
			e.Clock.Advance(sallyport.AdminIdleLimit)
			b.Click("Send a reminder")
			proveIt(e, b, olive)
			b.Sees("1 reminder is in the outbox.")
			b.Clean()
		})
	}
}

// proveIt enters the code that a step-up asks for.
func proveIt(e *sallyporttest.Env, b *sallyporttest.Browser, p sallyporttest.Person) {
	e.T.Helper()
	b.Sees("Confirm that it is you")
	b.Fill("6-digit code", p.Code(e.Clock.Now()))
	b.Click("Continue")
}

// TestJourneyInviteSeveral: a report shows the result of each line, and the lines that were refused stay in the form.
func TestJourneyInviteSeveral(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	olive, _ := ownerOf(site)
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{Width: 360, NoScript: true})
	bothFactors(e, b, olive)
	b.Open("/admin/users")
	b.Click("Invite several people")
	b.Fill("E-mail addresses", "nia.ngo@acme.example\n\nNoa Levi <noa@acme.example>\nno address\nolive@acme.example\n")
	b.Select("Role", "Manager")
	b.Click("Invite")
	b.Sees("2 lines were not invited.")
	b.Sees("no address Not invited Enter an e-mail address such as name@example.com.")
	b.Sees("olive@acme.example Not invited There is already a person with this e-mail address.")
	b.Sees("nia.ngo@acme.example Invited")
	look(b, "invite-several")
	if got := b.Value("E-mail addresses"); got != "no address\nolive@acme.example" {
		t.Errorf("left in the form: %q", got)
	}
	b.Fill("E-mail addresses", "Max <max@acme.example>\nMia <mia@acme.example>")
	b.Click("Invite")
	b.Sees("2 people are invited. No mail server is set up")
	b.Sees("Nia Ngo")
	b.Sees("Noa Levi")
	if got := e.Query(`SELECT name FROM users WHERE state = 'invited' AND role = 'manager' ORDER BY name`); fmt.Sprint(got) != "[[Max] [Mia] [Nia Ngo] [Noa Levi]]" {
		t.Errorf("invited: %v", got)
	}
	b.Clean()
}

// TestUserPages: what an administrator sees and does on the page of a person whose name has the maximum length.
func TestUserPages(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	e.SetUpMail()
	olive, _ := ownerOf(site)
	mia := e.Add("mia@acme.example", sallyport.Member)
	e.Exec("UPDATE users SET name = $1 WHERE id = $2", strings.Repeat("x", 100), mia.ID)
	site.Visitor().Enrol(&mia, "Pixel")
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	bothFactors(e, b, olive)
	path := "/admin/users/" + mia.ID
	b.Open(path)
	b.Click("Show the events of this person")
	b.Sees("You see the events of one person.")
	b.Open(path)
	inspect(t, b, "user")
	b.Click("Edit name and address")
	b.Fill("Name", "Mia Okafor")
	b.Fill("E-mail address", "olive@acme.example")
	b.Click("Save")
	b.Sees("There is already a person with this e-mail address.")
	look(b, "user-edit")
	b.Fill("E-mail address", "mia.okafor@acme.example")
	b.Click("Save")
	b.Sees("A link went to the new e-mail address")
	b.Sees("Mia Okafor")
	b.Click("Security")
	b.Sees("Trusted devices None")
	inspect(t, b, "user-security")
	b.Click("End Firefox on Linux")
	b.Click("End session")
	b.Sees("The session is ended.")
	b.Sees("Sessions None")
	b.Clean()
}

// TestAuditPage: times are short, with the full time on hover; only refused events have a tag; kinds are grouped; and
// the list fits every width.
func TestAuditPage(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	olive, _ := ownerOf(site)
	mia := e.Add("mia@acme.example", sallyport.Member)
	site.Visitor().GivePassword(sallyporttest.Person{User: mia.User, Password: "wrong"})
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	bothFactors(e, b, olive)
	b.Open("/admin/audit")
	if tags := b.Texts("tbody .tag"); len(tags) != 1 || tags[0] != "Refused" {
		t.Errorf("tagged are %q", tags)
	}
	if groups := b.Attr("optgroup", "label"); groups != "Signing in" {
		t.Errorf("the first group is %q", groups)
	}
	short, whole := b.Text("tbody time"), b.Attr("tbody time", "title")
	if len(short) >= len(whole) || !strings.Contains(whole, "UTC") && !strings.Contains(whole, "GMT") {
		t.Errorf("a time reads %q, and %q on hover", short, whole)
	}
	b.Select("What", "Wrong password")
	b.Click("Filter")
	inspect(t, b, "audit")
	b.ClickWithin("tbody tr", "More about Wrong password, "+b.Text("tbody time"))
	b.Click("All events of " + mia.Name)
	b.Sees("You see the events of one person.")
	b.Clean()
}

// TestBrandPreview: name and colour are shown before they are saved.
func TestBrandPreview(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	site := sallyporttest.NewSite(t, e)
	olive, _ := ownerOf(site)
	e.Exec("UPDATE workspaces SET colour = '#ffcc00'")
	b := sallyporttest.NewBrowser(t, site.URL, sallyporttest.Look{})
	bothFactors(e, b, olive)
	b.Open("/admin/brand")
	if got := b.Value("Colour"); got != "#ffcc00" {
		t.Errorf("the colour is %q", got)
	}
	inspect(t, b, "brand")
	b.Fill("Name", "Acme:Payroll")
	b.Sees("Acme Payroll")
	b.Fill("Colour", "#6d28d9")
	b.Attr(`link[href="/static/brand-6d28d9.css"]`, "rel")
	b.Click("Save")
	b.Sees("Saved.")
	b.Clean()
}

// TestNoticesSayThatTheInvitationHasEnded: what ends everything that somebody has open ends their invitation too.
func TestNoticesSayThatTheInvitationHasEnded(t *testing.T) {
	for _, way := range []string{sallyport.InviteByLink, sallyport.InviteByPassword} {
		t.Run(way, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			s := sallyporttest.NewSite(t, e)
			owner, v := ownerOf(s)
			e.Exec(`UPDATE policies SET invite_method = $1, version = version + 1`, way)
			e.Clock.Advance(time.Minute)
			v.Post("/step-up", sallyporttest.Fields{"code": owner.Code(e.Clock.Now())})
			invited := v.Post("/admin/users/new", sallyporttest.Fields{"email": "ina@acme.example", "name": "Ina", "role": "member"}).Location
			active := "/admin/users/" + e.Add("ben@acme.example", sallyport.Member).ID
			for _, step := range []struct {
				path  string
				f     sallyporttest.Fields
				words string
			}{
				{"", sallyporttest.Fields{"role": "manager"}, "The role is changed."},
				{"/sign-out", nil, ""},
				{"/suspend", nil, "The person is suspended"},
				{"/restore", nil, ""},
			} {
				for path, ends := range map[string]bool{invited: true, active: false} {
					v.Post(path+step.path, step.f)
					if notice := v.Follow().Notice(); !strings.Contains(notice, step.words) || strings.Contains(notice, "nvitation no longer works") != ends {
						t.Errorf("%s%s: %q", path, step.path, notice)
					}
				}
			}
		})
	}
}
