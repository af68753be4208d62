package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// evil is a name that breaks out of any place on a page where it is not properly escaped.
const evil = `'"></bdi><script>alert(1)</script>&lt;`

// TestNamesInLists: whatever people typed or their browsers sent is shown as plain text in the rows of lists.
func TestNamesInLists(t *testing.T) {
	e := sallyporttest.New(t, "sqlite")
	s := sallyporttest.NewSite(t, e)
	_, owners := ownerOf(s)
	quoted := strings.ReplaceAll(evil, "'", "''")
	e.Exec(fmt.Sprintf(`INSERT INTO users (workspace_id, id, address, address_folded, name, name_folded, role, state, epoch, created_at)
		VALUES ('%[1]s', 'usr_named', 'a@acme.example', 'a@acme.example', '%[2]s', 'a', 'member', 'active', 1, 1),
			('%[1]s', 'usr_nameless', '%[2]s', '%[2]s', '', '', 'member', 'invited', 1, 1),
			('%[1]s', 'usr_%[2]s', 'b@acme.example', 'b@acme.example', 'B', 'b', 'member', 'active', 1, 1)`, e.Owner.Workspace, quoted))
	e.Exec(fmt.Sprintf(`INSERT INTO events (workspace_id, id, at, kind, actor, actor_kind, subject, door, address, browser, personal_hash, result, app, detail, mac)
		VALUES ('%[1]s', 'zzz', 1, 'two_factor.reset', 'usr_named', 'user', 'usr_nameless', 'web', '%[2]s', '%[2]s', x'00', 'done', '', '%[3]s', x'00')`,
		e.Owner.Workspace, quoted, fmt.Sprintf(`{"name":%[1]q,"reason":%[1]q}`, quoted)))
	e.Exec(fmt.Sprintf(`INSERT INTO outbox (workspace_id, id, user_id, kind, address, subject, state, next_at, created_at, error)
		VALUES ('%[1]s', 'zzz', 'usr_named', 'invitation', '%[2]s', '%[2]s', 'failed', 1, 1, '%[2]s')`, e.Owner.Workspace, quoted))

	for path, times := range map[string]int{
		"/admin/users":  5, // two names and an address, and whose menus there are
		"/admin":        1,
		"/admin/audit":  7, // who, to whom, all of whose events, app, reason, browser, address
		"/admin/outbox": 3,
	} {
		got := owners.Get(path)
		if n := strings.Count(got.Text(), evil); n != times {
			t.Errorf("%s: it appears %d times, not %d: %s", path, n, times, got.Body)
		}
		if strings.Contains(got.Body, "<script>") || strings.Contains(got.Body, `usr_'`) {
			t.Errorf("%s: a value is not escaped: %s", path, got.Body)
		}
	}
}

// TestTextsInTemplates: a translation that was put into a template at the start is shown as one that is looked up for
// each page.
func TestTextsInTemplates(t *testing.T) {
	lang := *text.English
	lang.Messages = map[text.Key][]string{
		"Main":                {`The "main" <em>one</em>`}, // in an attribute
		"Skip to the content": {`To the "content" <em>at once</em>`},
		"Your account":        {`"Mein" <em>Konto</em>`}, // in an attribute
	}
	_, body := start(t, &lang).send(t, "GET", "/page/sign_in?wide", "")
	for _, want := range []string{
		`<nav aria-label="The &#34;main&#34; one">`, `>To the "content" <em>at once</em></a>`, `<nav aria-label="&#34;Mein&#34; Konto">`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s: %s", want, body)
		}
	}
}
