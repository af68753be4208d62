package sallyporttest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Accessibility roles of the elements that users click, type into and tick.
var (
	clickable = []string{"button", "link", "checkbox", "radio", "switch", "tab", "menuitem", "DisclosureTriangle"}
	fillable  = []string{"textbox", "searchbox", "spinbutton", "combobox", "Date", "ColorWell"}
	tickable  = []string{"checkbox", "radio", "switch"}
)

// keys maps the keys of Press to the input events.
var keys = map[string]string{
	"Enter": kb.Enter, "Tab": kb.Tab, "Escape": kb.Escape, "Space": " ",
	"ArrowUp": kb.ArrowUp, "ArrowDown": kb.ArrowDown,
}

// element is an element of the page, such as a button.
type element = runtime.RemoteObjectID

//go:embed browser.js
var browserScript string

// call runs a function of browser.js on an element.
func call[T any](ctx context.Context, el element, function string, args ...any) (T, error) {
	declaration := fmt.Sprintf("function(...args) { return (%s).%s(this, ...args) }", strings.TrimSpace(browserScript), function)
	on := func(p *runtime.CallFunctionOnParams) { p.ObjectID = el }
	return chromedp.Run(ctx, chromedp.CallFunctionOn[T](declaration, on, args...))
}

// evaluate runs a function of browser.js that concerns the whole page.
func evaluate[T any](ctx context.Context, function string) (T, error) {
	return chromedp.Run(ctx, chromedp.Evaluate[T](fmt.Sprintf("(%s).%s()", strings.TrimSpace(browserScript), function)))
}

// visibleText returns the text that is visible on the page.
func visibleText(ctx context.Context) (string, error) {
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	return squeeze(text), err
}

// squeeze replaces each run of white space with one space.
func squeeze(text string) string {
	return strings.Join(strings.Fields(text), " ")
}

// until calls check repeatedly until it returns nil, or fails the test with its
// last error after the time limit. Errors from a page that is being replaced are
// treated like any other.
func (b *Browser) until(what string, check func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	objection := errors.New("the browser does not respond")
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			objection = err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			b.fail("%s: %v", what, objection)
		}
	}
}

// within calls do with the time limit of a method.
func within[T any](b *Browser, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	return do(ctx)
}

// find waits for exactly one element with this accessible name and one of the
// roles that a user could click, inside the element that the CSS selector
// matches if there is one.
func (b *Browser) find(what, inside string, roles []string, name string) element {
	b.t.Helper()
	var found element
	b.until(what, func(ctx context.Context) error {
		root := "document"
		if inside != "" {
			root = fmt.Sprintf("document.querySelector(%q)", inside)
		}
		all, err := named(ctx, root, roles, name)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errors.New("no element has this name")
		}
		found, err = theOne(ctx, all)
		return err
	})
	return found
}

// named returns the visible elements under root with this name and one of the
// roles. An empty name matches every name.
func named(ctx context.Context, root string, roles []string, name string) ([]*accessibility.Node, error) {
	under, err := chromedp.Run(ctx, chromedp.Evaluate[*runtime.RemoteObject](root))
	if err != nil {
		return nil, err
	}
	if under.ObjectID == "" {
		return nil, fmt.Errorf("%s matches nothing", root)
	}
	tree, err := chromedp.Call(ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{ObjectID: under.ObjectID, AccessibleName: name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(tree.Nodes, func(n *accessibility.Node) bool {
		return n.Ignored || !slices.Contains(roles, plain(n.Role))
	}), nil
}

// plain returns the text of a value of the accessibility tree.
func plain(v *accessibility.Value) (text string) {
	if v == nil || json.Unmarshal(v.Value, &text) != nil {
		return ""
	}
	return text
}

// theOne returns the only element among nodes that can be clicked. Links to the
// same address count as one.
func theOne(ctx context.Context, nodes []*accessibility.Node) (found element, problem error) {
	place := ""
	for _, node := range nodes {
		resolved, err := chromedp.Call(ctx, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: node.BackendDOMNodeID})
		if err != nil {
			return "", err
		}
		el := resolved.Object.ObjectID
		at, err := call[point](ctx, el, "point")
		if err != nil {
			return "", err
		}
		if at.Problem != "" {
			problem = errors.New(at.Problem)
			continue
		}
		href, err := call[string](ctx, el, "href")
		if err != nil {
			return "", err
		}
		if found != "" && (href == "" || href != place) {
			return "", errors.New("several elements have this name: use ClickWithin")
		}
		if found == "" {
			found, place = el, href
		}
	}
	if found == "" {
		return "", problem
	}
	return found, nil
}

// point is a position in the window, in CSS pixels.
type point struct {
	X, Y    float64
	Problem string // why the element cannot be clicked
}

// where returns where to click an element.
func where(ctx context.Context, el element) (point, error) {
	at, err := call[point](ctx, el, "point")
	if err == nil && at.Problem != "" {
		err = errors.New(at.Problem)
	}
	return at, err
}

// press clicks an element with the mouse.
func press(ctx context.Context, el element) error {
	at, err := where(ctx, el)
	if err != nil {
		return err
	}
	return chromedp.Do(ctx,
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at.X, at.Y),
		chromedp.MouseClickXY(at.X, at.Y))
}

// act performs an action on an element and waits for the page that it opens, if
// any. The action, done, is "click" or the name of a key.
func (b *Browser) act(what string, el element, done string, do func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	before := b.events.started()
	_, err := evaluate[chromedp.Void](ctx, "listen")
	if err == nil {
		err = do(ctx)
	}
	if err == nil {
		leads, gone := call[bool](ctx, el, "leads", !b.look.NoScript, done)
		err = b.events.settle(ctx, before, leads || gone != nil) // an error means that the element has gone with its page
	}
	if err != nil {
		b.fail("%s: %v", what, err)
	}
}

// describe describes the page for the message of a failed test.
func (b *Browser) describe() string {
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	var s strings.Builder
	const head = `location.href + "\ntitle: " + document.title + "\n--- text of the page:\n" + (document.body?.innerText ?? "")`
	if text, err := chromedp.Run(ctx, chromedp.Evaluate[string](head)); err == nil {
		fmt.Fprintf(&s, "at %s\n", text)
	}
	if all, err := named(ctx, "document", slices.Concat(clickable, fillable), ""); err == nil {
		s.WriteString("--- controls:\n")
		for _, node := range all {
			fmt.Fprintf(&s, "%s %q\n", plain(node.Role), plain(node.Name))
		}
	}
	for _, complaint := range b.events.complaints() {
		fmt.Fprintf(&s, "problem: %s\n", complaint)
	}
	if _, file, err := b.screenshot("failure"); err == nil {
		fmt.Fprintf(&s, "--- screenshot (kept by go test -artifacts): %s\n", file)
	}
	return s.String()
}
