package web_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

var (
	screenshots = flag.String("screenshots", "", "take pictures of every page and state, into this directory")
	only        = flag.String("only", "", "take pictures of pages whose name matches this regular expression")
)

// screen is a page in one state, as the server sent it.
type screen struct {
	name string
	page *sallyporttest.Page
	menu string // the name of a button that opens a menu, in English
}

// shooting collects screens.
type shooting struct {
	*sallyporttest.Site
	lang    *text.Lang
	screens []screen
}

// keep adds the newest response of a visitor as a screen, and advances the clock by a second. A redirect fails the
// test.
func (s *shooting) keep(name string, v *sallyporttest.Visitor) {
	s.T.Helper()
	if v.Page.Location != "" || v.Page.Title() == "" {
		s.T.Fatalf("%s: %s is not a page but %d %s", name, v.Page.Target, v.Page.Status, v.Page.Location)
	}
	s.screens = append(s.screens, screen{fmt.Sprintf("%02d-%s", len(s.screens)+1, name), v.Page, ""})
	s.Clock.Advance(time.Second)
}

// menu takes the newest answer again, with a menu that is open.
func (s *shooting) menu(name string, v *sallyporttest.Visitor, button string) {
	s.T.Helper()
	s.keep(name, v)
	s.screens[len(s.screens)-1].menu = button
}

// shoot collects every page in every state, in one language.
func shoot(t *testing.T, lang *text.Lang) []screen {
	e := sallyporttest.New(t, "sqlite")
	s := &shooting{Site: sallyporttest.NewSite(t, e).In(lang), lang: lang}
	for _, walk := range walks {
		walk(s)
	}
	return s.screens
}

// gallery serves the screens again, as they were sent, with the styles and scripts of the site.
func gallery(t *testing.T, screens []screen) (url string) {
	e := sallyporttest.New(t, "sqlite")
	v := sallyporttest.NewSite(t, e).Visitor()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, v.Fork().Get(r.URL.Path))
	})
	for _, s := range screens {
		mux.HandleFunc("GET /screen/"+s.name, func(w http.ResponseWriter, _ *http.Request) { answer(w, s.page) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

func answer(w http.ResponseWriter, p *sallyporttest.Page) {
	for _, name := range []string{"Content-Type", "Content-Security-Policy"} {
		w.Header().Set(name, p.Header.Get(name))
	}
	body := strings.NewReplacer(" data-wait=", " data-waited=", " data-submit>", ">").Replace(p.Body) // nothing here answers it
	fmt.Fprint(w, body)                                                                               // with 200, because browsers log errors for other statuses
}

// TestScreens checks what every page must fulfil, in every state. make screenshots also takes pictures of them.
func TestScreens(t *testing.T) {
	chosen := regexp.MustCompile(*only)
	screens := shoot(t, text.English)
	site := gallery(t, screens)
	b := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	for _, l := range []struct {
		name string
		sallyporttest.Look
	}{
		{"1280-light", sallyporttest.Look{}},
		{"360-dark", sallyporttest.Look{Width: 360, Dark: true}},
		{"1280-dark", sallyporttest.Look{Dark: true}},
		{"360-light", sallyporttest.Look{Width: 360}},
	} {
		if *screenshots == "" && l.name != "360-dark" {
			continue
		}
		b.Look(l.Look)
		for _, s := range screens {
			if !chosen.MatchString(s.name) {
				continue
			}
			b.Open("/screen/" + s.name)
			if s.menu != "" {
				b.Click(s.menu)
			}
			if *screenshots == "" {
				b.Fits()
				sallyporttest.Axe(b)
				continue
			}
			save(t, filepath.Join(*screenshots, l.name, s.name+".png"), b.Screenshot(s.name))
		}
	}
	b.Clean()
}

func save(t *testing.T, file string, picture []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestScreensRightToLeft finds what breaks when texts are longer and run from right to left.
func TestScreensRightToLeft(t *testing.T) {
	screens := shoot(t, text.Pseudo(true))
	b := sallyporttest.NewBrowser(t, gallery(t, screens), sallyporttest.Look{Width: 360})
	for _, s := range screens {
		b.Open("/screen/" + s.name)
		b.Fits()
	}
}

// TestScreensInThePseudoLocale finds texts that are not from the catalogue.
func TestScreensInThePseudoLocale(t *testing.T) {
	for _, s := range shoot(t, text.Pseudo(false)) {
		root, err := html.ParseWithOptions(strings.NewReader(s.page.Body), html.ParseOptionEnableScripting(false)) // reads into noscript
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range escaped(root) {
			t.Errorf("%s: %q is not from the catalogue", s.name, words)
		}
	}
}

// spoken are the attributes whose values people read or hear.
var spoken = []string{"alt", "aria-label", "placeholder", "title"}

// escaped returns the texts of a page that are not between the brackets of the pseudo-locale. Brackets may open in one
// node and close in another, because texts contain markup.
func escaped(root *html.Node) (found []string) {
	depth := 0
	for n := range root.Descendants() {
		switch {
		case n.Type == html.ElementNode:
			for _, a := range n.Attr {
				inner := 0
				for _, name := range spoken {
					if a.Key == name && outside(a.Val, &inner) {
						found = append(found, a.Key+"="+a.Val)
					}
				}
			}
		case n.Type == html.TextNode && !asGiven(n) && outside(n.Data, &depth):
			found = append(found, strings.TrimSpace(n.Data))
		}
	}
	return found
}

// outside reports whether a text has letters outside all brackets, of which depth are open before it.
func outside(s string, depth *int) (found bool) {
	for _, c := range s {
		switch {
		case c == '[':
			*depth++
		case c == ']':
			*depth--
		case *depth == 0 && unicode.IsLetter(c):
			found = true
		}
	}
	return found
}

// asGiven reports whether a text is a name, a code or a time, or not for people at all.
func asGiven(n *html.Node) bool {
	for up := n.Parent; up != nil; up = up.Parent {
		switch up.Data {
		case "bdi", "code", "pre", "time", "script", "style", "textarea":
			return true
		}
		for _, a := range up.Attr {
			if a.Key == "class" && a.Val == "recovery-code" || a.Key == "data-key" || a.Key == "data-secret" || a.Key == "data-set-up-code" || a.Key == "aria-hidden" { // aria-hidden: initials
				return true
			}
		}
	}
	return false
}
