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
	err := chromedp.Listen(b.ctx, func(event any) {
		paused, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() { // an event listener must not wait for the browser
			if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
				return // the test has ended, or it will fail because the request is never continued
			}
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: paused.RequestID})
		}()
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{})
	}
	if err != nil {
		b.fail("BlockCookies: %v", err)
	}
}
