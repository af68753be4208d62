package sallyporttest

import (
	"context"
	"net/url"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Back goes to the page before, as the Back button does, and waits until it has loaded.
func (b *Browser) Back() {
	b.t.Helper()
	b.navigate("Back()", func(ctx context.Context) error {
		history, err := chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		if history.CurrentIndex == 0 {
			b.t.Fatal("Back(): there is no page before")
		}
		_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID})
		return err
	})
}

// Allow makes the hosts of these origins ones that pages may send requests to, without opening them (see Clean).
func (b *Browser) Allow(origins ...string) {
	b.t.Helper()
	for _, origin := range origins {
		to, err := url.Parse(origin)
		if err != nil {
			b.t.Fatalf("Allow(%q): %v", origin, err)
		}
		b.events.allow(to.Host)
	}
}

// Reload loads the page again, and sends its form again if it was the answer to one.
func (b *Browser) Reload() {
	b.t.Helper()
	b.navigate("Reload()", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, page.Reload, page.ReloadParams{})
		return err
	})
}

func (b *Browser) navigate(what string, do func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	before := b.events.started()
	err := do(ctx)
	if err == nil {
		err = b.events.settle(ctx, before, true)
	}
	if err != nil {
		b.fail("%s: %v", what, err)
	}
}
