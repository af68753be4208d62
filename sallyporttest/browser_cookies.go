package sallyporttest

import (
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// BlockCookies deletes the browser's cookies before each later request, as if the user had blocked cookies.
func (b *Browser) BlockCookies() {
	b.t.Helper()
	b.beforeRequests("", func() error {
		_, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
}

// BlockCookie is BlockCookies for one cookie of one origin.
func (b *Browser) BlockCookie(origin, name string) {
	b.t.Helper()
	b.beforeRequests(origin+"/*", func() error {
		_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: origin + "/"})
		return err
	})
}

// beforeRequests does something before each later request to an address that matches the pattern.
func (b *Browser) beforeRequests(pattern string, do func() error) {
	b.t.Helper()
	err := chromedp.Listen(b.ctx, func(event any) {
		paused, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() { // an event listener must not wait for the browser
			if do() != nil {
				return // the test has ended, or it will fail because the request is never continued
			}
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: paused.RequestID})
		}()
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: pattern}}})
	}
	if err != nil {
		b.fail("blocking cookies: %v", err)
	}
}
