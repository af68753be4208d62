package sallyporttest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Look is how pages are shown. The zero Look is a window 1280 pixels wide, in
// light mode, with scripts.
type Look struct {
	Width    int // of the window, in CSS pixels; 0 means 1280
	Dark     bool
	NoScript bool // takes effect with the next page
	Print    bool // use print styles
}

// Browser is a Chromium tab that acts as a user does. Its methods name what the
// user sees (the text of a button, the label of a field) and wait for it. Each
// method fails the test if it does not succeed within two minutes, with a
// description of the page. Browsers do not share cookies. Only one goroutine at
// a time may use a Browser, but several Browsers may be used at once.
type Browser struct {
	t      testing.TB
	ctx    context.Context
	base   *url.URL
	look   Look
	events *pageEvents

	patience time.Duration // time limit of each method
}

// NewBrowser opens an empty Browser for the site at base, such as
// http://localhost:8080. It is closed when the test ends.
func NewBrowser(t testing.TB, base string, look Look) *Browser {
	t.Helper()
	site, err := url.Parse(base)
	if err != nil {
		t.Fatalf("the address of the site: %v", err)
	}
	parent, err := chromium()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return open(t, parent, site, look, chromedp.WithNewBrowserContext())
}

// Tab opens an empty tab in the same browser: it shares the cookies.
func (b *Browser) Tab() *Browser {
	b.t.Helper()
	return open(b.t, b.ctx, b.base, b.look)
}

func open(t testing.TB, parent context.Context, site *url.URL, look Look, options ...chromedp.ContextOption) *Browser {
	t.Helper()
	events := newPageEvents(site.Host)
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(events.add))...)
	t.Cleanup(cancel)
	b := &Browser{t: t, ctx: ctx, base: site, events: events, patience: 2 * time.Minute}
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a browser: %v", err)
	}
	events.watch(cdp.FrameID(chromedp.FromContext(ctx).Target.TargetID))
	b.Look(look)
	return b
}

// Look changes how the current page and later pages are shown.
func (b *Browser) Look(look Look) {
	b.t.Helper()
	if look.Width == 0 {
		look.Width = 1280
	}
	b.look = look
	scheme, medium := "light", "screen"
	if look.Print {
		medium = "print"
	}
	if look.Dark {
		scheme = "dark"
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: int64(look.Width), Height: 800, DeviceScaleFactor: 1,
	})
	if err == nil {
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}})
	}
	if err == nil {
		err = b.allowScripts(ctx, !look.NoScript)
	}
	if err != nil {
		b.fail("changing the look of the page: %v", err)
	}
}

func (b *Browser) allowScripts(ctx context.Context, allow bool) error {
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !allow})
	return err
}

// Open navigates to an address, a path of the site or a full URL, and waits
// until the page has loaded. A 4xx response is a page like any other. The host
// of a full URL becomes one that pages may send requests to (see Clean).
func (b *Browser) Open(address string) {
	b.t.Helper()
	to, err := b.base.Parse(address)
	if err != nil {
		b.t.Fatalf("Open(%q): %v", address, err)
	}
	b.events.allow(to.Host)
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	before := b.events.started()
	result, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: to.String()})
	if err == nil && result.ErrorText != "" {
		err = fmt.Errorf("%s", result.ErrorText)
	}
	if err == nil {
		err = b.events.settle(ctx, before, result.LoaderID != "")
	}
	if err != nil {
		b.fail("Open(%q): %v", address, err)
	}
}

// Click clicks the button, link or other control with this accessible name
// (usually its text). If the click leads to another page, it waits for that
// page. It fails if several controls have the name, unless they are links to
// the same address; then use ClickWithin.
func (b *Browser) Click(name string) {
	b.t.Helper()
	b.click("", name)
}

// ClickWithin is Click for a name that occurs more than once on the page. It
// looks only inside the first element that matches the CSS selector.
func (b *Browser) ClickWithin(selector, name string) {
	b.t.Helper()
	b.click(selector, name)
}

func (b *Browser) click(within, name string) {
	b.t.Helper()
	what := fmt.Sprintf("Click(%q)", name)
	el := b.find(what, within, clickable, name)
	b.act(what, el, "click", func(ctx context.Context) error { return press(ctx, el) })
}

// Press presses a key in the focused element: "Enter", "Tab", "Escape", "Space",
// "ArrowUp", "ArrowDown". If the key leads to another page, it waits for that
// page.
func (b *Browser) Press(key string) {
	b.t.Helper()
	what := fmt.Sprintf("Press(%q)", key)
	typed, ok := keys[key]
	if !ok {
		b.t.Fatalf("%s: unknown key", what)
	}
	var el element
	b.until(what, func(ctx context.Context) error {
		focused, err := chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject](`document.activeElement`))
		if err == nil {
			el = focused.ObjectID
		}
		return err
	})
	b.act(what, el, key, func(ctx context.Context) error { return chromedp.Do(ctx, chromedp.KeyEvent(typed)) })
}

// Fill replaces the text of the field with this label. Write dates as
// 2006-01-02.
func (b *Browser) Fill(label, text string) {
	b.t.Helper()
	what := fmt.Sprintf("Fill(%q)", label)
	el := b.find(what, "", fillable, label)
	b.act(what, el, "fill", func(ctx context.Context) error {
		if err := press(ctx, el); err != nil {
			return err
		}
		typed, err := call[bool](ctx, el, "fill", text)
		if err != nil || !typed {
			return err
		}
		if text == "" {
			return chromedp.Do(ctx, chromedp.KeyEvent(kb.Delete))
		}
		_, err = chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// Value returns the value of the field with this label.
func (b *Browser) Value(label string) string {
	b.t.Helper()
	what := fmt.Sprintf("Value(%q)", label)
	el := b.find(what, "", fillable, label)
	value, err := within(b, func(ctx context.Context) (string, error) {
		return call[string](ctx, el, "value")
	})
	if err != nil {
		b.fail("%s: %v", what, err)
	}
	return value
}

// Select selects the option with this text in the list with this label.
func (b *Browser) Select(label, option string) {
	b.t.Helper()
	what := fmt.Sprintf("Select(%q, %q)", label, option)
	el := b.find(what, "", []string{"combobox", "listbox"}, label)
	b.act(what, el, "select", func(ctx context.Context) error {
		chosen, err := call[bool](ctx, el, "select", option)
		if err == nil && !chosen {
			err = fmt.Errorf("the list has no such option")
		}
		return err
	})
}

// Check selects the checkbox or radio button with this label, unless it is
// already selected.
func (b *Browser) Check(label string) {
	b.t.Helper()
	b.tick(fmt.Sprintf("Check(%q)", label), label, true)
}

// Uncheck clears the checkbox with this label, unless it is already clear.
func (b *Browser) Uncheck(label string) {
	b.t.Helper()
	b.tick(fmt.Sprintf("Uncheck(%q)", label), label, false)
}

func (b *Browser) tick(what, label string, want bool) {
	b.t.Helper()
	el := b.find(what, "", tickable, label)
	b.act(what, el, "tick", func(ctx context.Context) error {
		is, err := call[bool](ctx, el, "checked")
		if err != nil || is == want {
			return err
		}
		if err := press(ctx, el); err != nil {
			return err
		}
		if is, err = call[bool](ctx, el, "checked"); err == nil && is != want {
			err = fmt.Errorf("the click did not change it")
		}
		return err
	})
}

// Sees waits until the text is visible on the page. Runs of white space count as
// one space.
func (b *Browser) Sees(text string) {
	b.t.Helper()
	want := squeeze(text)
	b.until(fmt.Sprintf("Sees(%q)", text), func(ctx context.Context) error {
		if seen, err := visibleText(ctx); err != nil || strings.Contains(seen, want) {
			return err
		}
		return fmt.Errorf("the text is not visible")
	})
}

// DoesNotSee waits until the text is not visible on the page.
func (b *Browser) DoesNotSee(text string) {
	b.t.Helper()
	unwanted := squeeze(text)
	b.until(fmt.Sprintf("DoesNotSee(%q)", text), func(ctx context.Context) error {
		if seen, err := visibleText(ctx); err != nil || !strings.Contains(seen, unwanted) {
			return err
		}
		return fmt.Errorf("the text is visible")
	})
}

// Title returns the title of the page.
func (b *Browser) Title() string {
	b.t.Helper()
	return b.read("Title()", `document.title`)
}

// URL returns the full address of the page.
func (b *Browser) URL() string {
	b.t.Helper()
	return b.read("URL()", `location.href`)
}

func (b *Browser) read(what, expression string) string {
	b.t.Helper()
	value, err := within(b, func(ctx context.Context) (string, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	})
	if err != nil {
		b.fail("%s: %v", what, err)
	}
	return value
}

// Text returns the visible text of the first element that matches the CSS
// selector, and waits until there is one.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return b.Texts(selector)[0]
}

// Texts returns the visible text of each element that matches the CSS selector,
// in document order, and waits until there is at least one.
func (b *Browser) Texts(selector string) []string {
	b.t.Helper()
	return b.query(fmt.Sprintf("Texts(%q)", selector), selector, `el => el.innerText.trim()`)
}

// Attr returns an attribute of the first element that matches the CSS selector
// and has it, and waits until there is one.
func (b *Browser) Attr(selector, name string) string {
	b.t.Helper()
	return b.query(fmt.Sprintf("Attr(%q, %q)", selector, name), selector, fmt.Sprintf(`el => el.getAttribute(%q)`, name))[0]
}

// query runs script on each element and returns the results that are not null.
// It waits until there is at least one.
func (b *Browser) query(what, selector, script string) []string {
	b.t.Helper()
	var found []string
	b.until(what, func(ctx context.Context) (err error) {
		list := fmt.Sprintf(`[...document.querySelectorAll(%q)].map(%s).filter(value => value !== null)`, selector, script)
		found, err = chromedp.Run(ctx, chromedp.Evaluate[[]string](list))
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no element matches")
		}
		return err
	})
	return found
}

// Fits fails the test if the page is wider than the window, or a table is wider
// than its box, so that the user would have to scroll sideways.
func (b *Browser) Fits() {
	b.t.Helper()
	wide, err := within(b, func(ctx context.Context) (string, error) { return evaluate[string](ctx, "tooWide") })
	if err != nil {
		b.fail("Fits(): %v", err)
	}
	if wide != "" {
		b.fail("something is wider than its place, in a window of %d pixels: %s", b.look.Width, wide)
	}
}

// Clean fails the test if a page so far has logged an error or thrown an
// exception, if a request has failed (a page with 5xx, a resource with 4xx or
// 5xx), or if a request went to a host other than the site's and those passed
// to Open.
func (b *Browser) Clean() {
	b.t.Helper()
	b.URL() // a round trip, so that all earlier events have arrived
	if complaints := b.events.complaints(); len(complaints) > 0 {
		b.t.Errorf("the browser reported problems:\n  %s", strings.Join(complaints, "\n  "))
	}
}

// Screenshot takes a PNG screenshot of the whole page, returns it, and writes it
// to name.png in the test's artifact directory (kept by go test -artifacts).
func (b *Browser) Screenshot(name string) []byte {
	b.t.Helper()
	picture, _, err := b.screenshot(name)
	if err != nil {
		b.t.Fatalf("Screenshot(%q): %v", name, err)
	}
	return picture
}

func (b *Browser) screenshot(name string) (picture []byte, file string, err error) {
	picture, err = within(b, func(ctx context.Context) ([]byte, error) {
		return chromedp.Run(ctx, chromedp.FullScreenshot(100))
	})
	if err != nil {
		return nil, "", err
	}
	file = filepath.Join(b.t.ArtifactDir(), name+".png")
	return picture, file, os.WriteFile(file, picture, 0o644)
}

// fail ends the test with the message and a description of the page.
func (b *Browser) fail(format string, args ...any) {
	b.t.Helper()
	b.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), b.describe())
}

// Bottom returns the distance in CSS pixels from the top of the window to the
// bottom of the first element that matches the CSS selector. It waits until
// there is one.
func (b *Browser) Bottom(selector string) int {
	b.t.Helper()
	var bottom int
	fmt.Sscan(b.query(fmt.Sprintf("Bottom(%q)", selector), selector, `el => String(Math.ceil(el.getBoundingClientRect().bottom))`)[0], &bottom)
	return bottom
}
