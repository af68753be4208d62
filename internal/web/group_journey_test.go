package web_test

import (
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// TestJourneyGroups adds a group and people to it, from both sides, and takes them out again, with and without scripts.
func TestJourneyGroups(t *testing.T) {
	for name, l := range looks {
		t.Run(name, func(t *testing.T) {
			e := sallyporttest.New(t, "sqlite")
			site := sallyporttest.NewSite(t, e)
			olive, _ := ownerOf(site)
			for _, first := range []string{"Ada", "Ben"} {
				p := e.Add(strings.ToLower(first)+"@acme.example", sallyport.Member)
				e.Exec("UPDATE users SET name = $1 WHERE id = $2", first, p.ID)
			}
			b := sallyporttest.NewBrowser(t, site.URL, l)
			bothFactors(e, b, olive)
			b.Open("/admin/groups")
			b.Click("Add a group")
			b.Fill("Name", "Staff")
			b.Click("Add")
			b.Sees("Nobody is in this group yet.")
			b.Click("Add people")
			b.Fill("Name, address or domain", "acme")
			b.Click("Search")
			b.Click("Add Ada")
			b.Sees("In the group")
			b.Click("Add Ben")
			b.Click("Staff")
			b.Sees("2 people")
			look(b, "group-journey")
			b.Click("Remove Ben")
			b.Sees("Ben is removed from the group Staff.")
			b.Click("Remove")
			b.Sees("1 person")
			opens(e, "Wiki", "/admin/groups/"+e.Query("SELECT id FROM groups")[0][0])
			e.Clock.Advance(sallyport.StepUpLimit + 1)
			b.Click("Ada")
			b.Click("Change groups")
			b.Click("Remove from Staff")
			b.Sees("It opens Wiki.")
			b.Click("Remove")
			proveIt(e, b, olive)
			b.Sees("This person is in no group.")
			b.Click("Add to Staff")
			b.Sees("Remove")
			b.Click("Ada")
			b.Click("Staff")
			b.Click("Show in the list of users")
			b.Sees("You see the people of the group Staff.")
			b.Sees("1 person")
			b.Clean()
		})
	}
}
