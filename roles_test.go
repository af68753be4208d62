package sallyport_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// TestPermissions compares the table of roles with SPEC 6.1, line by line.
func TestPermissions(t *testing.T) {
	admins := []sallyport.Action{
		sallyport.SeeSecurity, sallyport.RemindPeople, sallyport.InvitePeople, sallyport.EditPeople, sallyport.SuspendPeople, sallyport.UnlockPeople,
		sallyport.SignOutPeople, sallyport.ResetTwoFactor, sallyport.ResetPasswords, sallyport.ChangeRoles, sallyport.DeletePeople, sallyport.SetPolicy,
		sallyport.SetBrand, sallyport.ReadAudit, sallyport.ReadOutbox, sallyport.SendMailAgain, sallyport.ManageGroups, sallyport.ManageApps, sallyport.ManageWorkspaces,
	}
	may := map[sallyport.Role][]sallyport.Action{
		sallyport.Owner:   append([]sallyport.Action{sallyport.SeePeople}, admins...),
		sallyport.Admin:   append([]sallyport.Action{sallyport.SeePeople}, admins...),
		sallyport.Manager: {sallyport.SeePeople},
		sallyport.Member:  nil,
		"boss":            nil,
		"":                nil,
	}
	for role, want := range may {
		for _, p := range sallyport.Permissions() {
			if got := role.May(p.Action); got != slices.Contains(want, p.Action) {
				t.Errorf("%q may %s: %v", role, p.Action, got)
			}
		}
		if role.May("") || role.May("everything") {
			t.Errorf("%q may perform an action that is not in the table", role)
		}
	}
	if len(sallyport.Permissions()) != len(admins)+1 {
		t.Errorf("the table has %d actions, this test knows %d", len(sallyport.Permissions()), len(admins)+1)
	}
	for i, r := range sallyport.Roles {
		for j, other := range sallyport.Roles {
			if r.Over(other) != (i <= j) {
				t.Errorf("%s over %s: %v", r, other, r.Over(other))
			}
		}
		if sallyport.Role("boss").Over(r) {
			t.Errorf("a role that does not exist is over %s", r)
		}
	}
}

// TestGuideOfRoles compares docs/guides/roles.md with the table in the code. UPDATE=1 writes the file.
func TestGuideOfRoles(t *testing.T) {
	const file = "docs/guides/roles.md"
	var b strings.Builder
	b.WriteString("# Who may do what\n\nThis table is generated from the code (`roles.go`).\n\n| |")
	for _, r := range sallyport.Roles {
		fmt.Fprintf(&b, " %s |", r)
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(sallyport.Roles)) + "\n")
	for _, p := range sallyport.Permissions() {
		fmt.Fprintf(&b, "| %s |", text.English.Text(p.Says))
		for _, r := range sallyport.Roles {
			if r.May(p.Action) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\nThe powers in this table apply to other people, not to oneself. Nobody can act on, give a role to, or open the page of\n" +
		"someone whose role is above their own: admins act on admins, managers and members, and only owners act on owners. The\n" +
		"last owner who can sign in cannot be suspended, deleted or given another role. Everyone may do for themselves what is\n" +
		"not in the table. After an hour without use, the pages of administrators ask for proof again.\n")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s differs from the code: run UPDATE=1 go test -run TestGuideOfRoles .", file)
	}
}
