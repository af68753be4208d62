package sallyporttest_test

import (
	"bytes"
	"fmt"
	"html"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// pages serves a small site with a strict Content-Security-Policy.
func pages(t *testing.T, more map[string]string) string {
	t.Helper()
	mux := http.NewServeMux()
	show := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; form-action 'self'")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
			<title>A page</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/s.css"><script src="/s.js" defer></script><main><h1>A page</h1>%s</main>`, body)
	}
	file := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, body)
		}
	}
	mux.HandleFunc("GET /s.css", file("text/css", siteStyle))
	mux.HandleFunc("GET /s.js", file("text/javascript", siteScript))
	mux.HandleFunc("GET /codes.txt", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", "attachment")
		fmt.Fprint(w, "aaaa bbbb")
	})
	mux.HandleFunc("GET /nothing", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for path, body := range siteBodies {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { show(w, body) })
	}
	for path, body := range more {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { show(w, body) })
	}
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("code") != "123456" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			show(w, `<p role="alert">Wrong code</p>`+siteBodies["/form"])
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "trust", Value: r.FormValue("trust") + r.FormValue("role"), Path: "/"})
		http.Redirect(w, r, "/done", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("trust")
		if err != nil {
			show(w, "No cookie")
			return
		}
		show(w, "Cookie: "+html.EscapeString(cookie.Value)+siteBodies["/form"])
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

const siteStyle = `
	body { font: 16px sans-serif; margin: 0; color: #111; background: #fff }
	@media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } }
	.grey { color: #999; background: #aaa }
	.wide { width: 700px }
	.box { overflow-x: auto }
	.hidden { display: none }
	.cover { position: fixed; inset: 0; background: #fff }
	.unseen { position: absolute; opacity: 0 }
	button, input, select { font: inherit; padding: 12px; border: 1px solid }
	.far { margin-top: 3000px }`

const siteScript = `
	addEventListener("click", event => {
		if (event.target.id === "held") event.preventDefault()
		if (event.target.id === "later") setTimeout(() => { document.querySelector("#out").textContent = "It came" }, 300)
	})
	document.querySelector("#scripts")?.append("Scripts run")`

var siteBodies = map[string]string{
	"/{$}": `<p id="scripts"></p><p>Some   <b>spaced</b>
		text</p><p class="hidden">Not to be read</p><p id="out"></p>
		<p><a href="/form">Go on</a></p><p class="far"><a href="/form">Go on</a></p>
		<p><a id="held" href="/form">Held back</a></p><p><a href="#out">Down</a></p>
		<p><a href="/codes.txt">Download</a></p><p><a href="/nothing">Nothing new</a></p>
		<button id="later" type="button">Later</button>`,
	"/form": `<form method="post" action="/form" novalidate>
		<label for="code">Code</label> <input id="code" name="code" value="old" maxlength="20">
		<label for="day">From</label> <input id="day" type="date" name="day">
		<label for="role">Role</label> <select id="role" name="role"><option>Member</option><option>Owner</option></select>
		<label><input class="unseen" type="checkbox" name="trust" value="yes"> Do not ask again</label>
		<button>Continue</button></form>`,
	"/required": `<form method="post" action="/form"><label for="code">Code</label> <input id="code" name="code" required> <button>Continue</button></form>`,
	"/twice": `<section id="a"><h2>A</h2><button type="button">Remove</button></section>
		<section id="b"><h2>B</h2><form action="/done"><button>Remove</button></form></section>`,
}

func eachLook(t *testing.T, test func(t *testing.T, look sallyporttest.Look)) {
	for name, look := range map[string]sallyporttest.Look{
		"scripts":    {},
		"no scripts": {NoScript: true},
		"phone":      {Width: 360, Dark: true},
		"narrow":     {Width: 320, NoScript: true},
	} {
		t.Run(name, func(t *testing.T) { test(t, look) })
	}
}

func TestBrowserGoesThroughForms(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	eachLook(t, func(t *testing.T, look sallyporttest.Look) {
		b := sallyporttest.NewBrowser(t, site, look)
		b.Open("/")
		b.Sees("Some spaced text")
		b.DoesNotSee("Not to be read")
		b.Click("Go on")
		// The page of a wrong code has the same field and button: a verb that
		// did not wait for it would act on the old one.
		for range 5 {
			b.Fill("Code", "111111")
			b.Click("Continue")
			if got := b.Value("Code"); got != "old" {
				t.Fatalf("after a wrong code the field reads %q: it is the old page's", got)
			}
			b.Sees("Wrong code")
		}
		b.Fill("Code", "")
		if got := b.Value("Code"); got != "" {
			t.Errorf("the emptied field reads %q", got)
		}
		b.Fill("Code", "123456")
		b.Fill("From", "2026-11-22")
		if got := b.Value("From"); got != "2026-11-22" {
			t.Errorf("the date reads %q", got)
		}
		b.Check("Do not ask again")
		b.Check("Do not ask again")
		b.Select("Role", "Owner")
		b.Click("Continue")
		if got, want := b.URL(), site+"/done"; got != want {
			t.Errorf("at %s, want %s", got, want)
		}
		b.Sees("Cookie: yesOwner")
		b.Check("Do not ask again")
		b.Uncheck("Do not ask again")
		b.Fill("Code", "123456")
		b.Press("Enter")
		b.Sees("Cookie: Member")
		b.Clean()
		b.Fits()
		sallyporttest.Axe(b)
	})
}

func TestBrowserStaysIfAClickLeadsNowhere(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	eachLook(t, func(t *testing.T, look sallyporttest.Look) {
		b := sallyporttest.NewBrowser(t, site, look)
		b.Open("/")
		for _, name := range []string{"Down", "Nothing new", "Download"} {
			b.Click(name)
			if got := strings.TrimSuffix(b.URL(), "#out"); got != site+"/" {
				t.Errorf("after %s at %s", name, got)
			}
		}
		b.Click("Held back")
		want := site + "/#out"
		if look.NoScript {
			want = site + "/form"
		}
		if got := b.URL(); got != want {
			t.Errorf("after a link that a script holds back at %s, want %s", got, want)
		}
		b.Open("/required")
		b.Click("Continue")
		b.Press("Tab")
		if got := b.URL(); got != site+"/required" {
			t.Errorf("after sending an empty required field at %s", got)
		}
	})
}

func TestBrowserRunsScriptsOrNot(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	b := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	b.Open("/")
	b.Sees("Scripts run")
	b.Click("Later")
	b.Sees("It came")
	b.Look(sallyporttest.Look{NoScript: true})
	b.Open("/")
	b.DoesNotSee("Scripts run")
	sallyporttest.Axe(b)
	b.Open("/")
	b.DoesNotSee("Scripts run")
}

func TestBrowserReads(t *testing.T) {
	t.Parallel()
	site := pages(t, map[string]string{"/list": `<ul><li class="c" data-n="1">one</li><li class="c" data-n="2"> two </li></ul>`})
	b := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	b.Open("/list")
	if got := b.Title(); got != "A page" {
		t.Errorf("the title is %q", got)
	}
	if got := fmt.Sprint(b.Texts(".c")); got != "[one two]" {
		t.Errorf("the texts are %s", got)
	}
	if got := b.Text(".c:last-child"); got != "two" {
		t.Errorf("the text is %q", got)
	}
	if got := b.Attr(".c", "data-n"); got != "1" {
		t.Errorf("the attribute is %q", got)
	}
}

func TestBrowserClickWithin(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	b := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	b.Open("/twice")
	b.ClickWithin("#b", "Remove")
	if got := b.URL(); !strings.HasPrefix(got, site+"/done") {
		t.Errorf("at %s", got)
	}
}

func TestBrowsersShareNoCookies(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	one := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	other := sallyporttest.NewBrowser(t, site, sallyporttest.Look{})
	one.Open("/form")
	one.Fill("Code", "123456")
	one.Click("Continue")
	one.Sees("Cookie: Member")
	other.Open("/done")
	other.Sees("No cookie")
	one.Open(strings.Replace(site, "localhost", "globex.localhost", 1) + "/done")
	one.Sees("No cookie")
	one.Clean()
}

func TestBrowserScreenshots(t *testing.T) {
	t.Parallel()
	site := pages(t, nil)
	for _, look := range []sallyporttest.Look{{}, {Width: 360}, {Width: 320, Dark: true}} {
		b := sallyporttest.NewBrowser(t, site, look)
		b.Open("/")
		picture, err := png.Decode(bytes.NewReader(b.Screenshot("page")))
		if err != nil {
			t.Fatal(err)
		}
		width := max(look.Width, 320)
		if look.Width == 0 {
			width = 1280
		}
		if got := picture.Bounds(); got.Dx() != width || got.Dy() < 3000 {
			t.Errorf("%+v: the picture is %v", look, got)
		}
		red, _, _, _ := picture.At(width-1, 0).RGBA()
		if dark := red < 0x8000; dark != look.Dark {
			t.Errorf("%+v: the picture is dark: %v", look, dark)
		}
	}
}

// failing is a test that records how it fails.
type failing struct {
	testing.TB
	told string
}

func (f *failing) Errorf(format string, args ...any) { f.told += fmt.Sprintf(format, args...) }
func (f *failing) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// failure runs a test that is expected to fail, and returns its message.
func failure(t *testing.T, site, path string, look sallyporttest.Look, test func(*sallyporttest.Browser)) string {
	t.Helper()
	f := &failing{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := sallyporttest.NewBrowser(f, site, look)
		b.Open(path)
		b.BePatientFor(20 * time.Second)
		test(b)
	}()
	<-done
	return f.told
}

func TestBrowserFailures(t *testing.T) {
	t.Parallel()
	site := pages(t, map[string]string{
		"/covered":  `<button type="button">Enable</button><div class="cover">Wait</div>`,
		"/disabled": `<button type="button" disabled>Enable</button>`,
		"/hidden":   `<button class="hidden">Enable</button>`,
		"/wide":     `<p class="wide">Wide</p>`,
		"/table":    `<div class="box"><table><tr><td><p class="wide">Wide</p></table></div>`,
		"/picture":  `<img src="/none.png" alt="A picture">`,
		"/far":      `<img src="http://example.com/a.png" alt="A picture">`,
		"/inline":   `<script>1</script>`,
		"/throws":   `<script src="/throws.js"></script>`,
		"/grey":     `<p class="grey">Hard to read</p>`,
		"/label":    `<input name="code">`,
	})
	for name, test := range map[string]struct {
		path string
		look sallyporttest.Look
		do   func(*sallyporttest.Browser)
		want []string
	}{
		"no such button":  {"/", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Click("Enable") }, []string{`Click("Enable")`, "no element has this name", "Some spaced text", `link "Go on"`, "failure.png"}},
		"no such label":   {"/form", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Fill("E-mail address", "x") }, []string{`Fill("E-mail address")`, "no element has this name", `textbox "Code"`}},
		"no label at all": {"/label", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Fill("code", "x") }, []string{"no element has this name"}},
		"no such box":     {"/form", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Check("Ask again") }, []string{"no element has this name"}},
		"no such option":  {"/form", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Select("Role", "King") }, []string{"no such option"}},
		"several":         {"/twice", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Click("Remove") }, []string{"several elements have this name"}},
		"covered":         {"/covered", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Click("Enable") }, []string{"covered by", `class="cover"`}},
		"disabled":        {"/disabled", sallyporttest.Look{NoScript: true}, func(b *sallyporttest.Browser) { b.Click("Enable") }, []string{"it is disabled"}},
		"hidden":          {"/hidden", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Click("Enable") }, []string{"no element has this name"}},
		"text not there":  {"/", sallyporttest.Look{NoScript: true}, func(b *sallyporttest.Browser) { b.Sees("Not to be read") }, []string{"not visible"}},
		"text there":      {"/", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.DoesNotSee("spaced text") }, []string{"is visible"}},
		"no such element": {"/", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Text("[data-key]") }, []string{`Texts("[data-key]")`}},
		"too wide":        {"/wide", sallyporttest.Look{Width: 320}, (*sallyporttest.Browser).Fits, []string{"in a window of 320 pixels", `class="wide"`}},
		"too wide inside": {"/table", sallyporttest.Look{Width: 320}, (*sallyporttest.Browser).Fits, []string{"a table of 706 pixels in a box of 320"}},
		"no server":       {"/", sallyporttest.Look{}, func(b *sallyporttest.Browser) { b.Open("http://localhost:1/") }, []string{"ERR_"}},
		"missing picture": {"/picture", sallyporttest.Look{}, (*sallyporttest.Browser).Clean, []string{"response 404", "/none.png"}},
		"other host":      {"/far", sallyporttest.Look{}, (*sallyporttest.Browser).Clean, []string{"example.com"}},
		"inline script":   {"/inline", sallyporttest.Look{}, (*sallyporttest.Browser).Clean, []string{"Content Security Policy"}},
		"script missing":  {"/throws", sallyporttest.Look{}, (*sallyporttest.Browser).Clean, []string{"throws.js"}},
		"contrast":        {"/grey", sallyporttest.Look{}, sallyporttest.Axe, []string{"color-contrast", "Hard to read", "dequeuniversity"}},
		"label":           {"/label", sallyporttest.Look{Width: 320, NoScript: true}, sallyporttest.Axe, []string{"label (critical)", `<input name="code">`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := failure(t, site, test.path, test.look, test.do)
			if told == "" {
				t.Fatal("the test did not fail")
			}
			for _, want := range test.want {
				if !strings.Contains(told, want) {
					t.Errorf("the message lacks %q:\n%s", want, told)
				}
			}
		})
	}
}

func TestBrowserKeepsAScreenshotOfAFailure(t *testing.T) {
	t.Parallel()
	told := failure(t, pages(t, nil), "/wide", sallyporttest.Look{}, (*sallyporttest.Browser).Fits)
	if told != "" {
		t.Fatalf("Fits failed on a page that fits: %s", told)
	}
	told = failure(t, pages(t, map[string]string{"/wide": `<p class="wide">Wide</p>`}), "/wide", sallyporttest.Look{Width: 320}, (*sallyporttest.Browser).Fits)
	_, file, _ := strings.Cut(told, "go test -artifacts): ")
	picture, err := os.ReadFile(strings.TrimSpace(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
		t.Error(err)
	}
}
