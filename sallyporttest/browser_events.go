package sallyporttest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// pageEvents follows what the browser tells about one page: whether it is
// loading, and what went wrong. Its add is called by the goroutine that reads
// from the browser.
type pageEvents struct {
	mu      sync.Mutex
	frame   cdp.FrameID
	starts  int           // how often the page began to go to another
	loading bool          // whether it is on its way
	changed chan struct{} // closed when one of the two changes
	hosts   []string      // that pages may ask
	asked   map[network.RequestID]string
	wrong   []string
}

func newPageEvents(host string) *pageEvents {
	return &pageEvents{changed: make(chan struct{}), hosts: []string{host}, asked: map[network.RequestID]string{}}
}

// watch names the frame whose navigations count.
func (e *pageEvents) watch(frame cdp.FrameID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.frame = frame
}

// allow adds a host that pages may ask.
func (e *pageEvents) allow(host string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hosts = append(e.hosts, host)
}

// started tells how often the page has begun to go to another.
func (e *pageEvents) started() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.starts
}

// complaints returns what went wrong so far.
func (e *pageEvents) complaints() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.wrong)
}

// settle waits until no page is on its way, and when leads is true for one to
// have set out since there were before starts.
func (e *pageEvents) settle(ctx context.Context, before int, leads bool) error {
	for {
		e.mu.Lock()
		wentOut, loading, changed := e.starts > before, e.loading, e.changed
		e.mu.Unlock()
		if !loading && (wentOut || !leads) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if loading {
				return errors.New("the page does not finish loading")
			}
			return errors.New("it leads to no other page, though it should")
		}
	}
}

func (e *pageEvents) add(event any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch event := event.(type) {
	case *page.EventFrameStartedNavigating:
		switch event.NavigationType {
		case page.FrameStartedNavigatingNavigationTypeSameDocument, page.FrameStartedNavigatingNavigationTypeHistorySameDocument:
		default:
			e.move(event.FrameID, true)
		}
	case *page.EventFrameStoppedLoading:
		e.move(event.FrameID, false)
	default:
		e.judge(event)
	}
}

func (e *pageEvents) move(frame cdp.FrameID, loading bool) {
	if frame != e.frame {
		return
	}
	e.loading = loading
	if loading {
		e.starts++
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// judge notes what Clean holds against a page.
func (e *pageEvents) judge(event any) {
	switch event := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, arg := range event.Args {
				words = append(words, strings.Trim(string(arg.Value), `"`)+arg.Description)
			}
			e.complain("console error: %s", strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		details := event.ExceptionDetails
		what := details.Text
		if details.Exception != nil {
			what = details.Exception.Description
		}
		e.complain("exception: %s (%s, line %d)", what, details.URL, details.LineNumber+1)
	case *log.EventEntryAdded:
		// Failed requests are judged below, where their kind is known.
		if event.Entry.Level == log.EntryLevelError && event.Entry.Source != log.EntrySourceNetwork {
			e.complain("%s error: %s", event.Entry.Source, event.Entry.Text)
		}
	case *network.EventRequestWillBeSent:
		e.asked[event.RequestID] = event.Request.URL
		to, err := url.Parse(event.Request.URL)
		if err != nil || (strings.HasPrefix(to.Scheme, "http") && !slices.Contains(e.hosts, to.Host)) {
			e.complain("request to another host: %s", event.Request.URL)
		}
	case *network.EventResponseReceived:
		limit := int64(400)
		if event.Type == network.ResourceTypeDocument {
			limit = 500
		}
		if event.Response.Status >= limit {
			e.complain("answer %d: %s", event.Response.Status, event.Response.URL)
		}
	case *network.EventLoadingFailed:
		if !event.Canceled {
			e.complain("request failed (%s%s): %s", event.ErrorText, event.BlockedReason, e.asked[event.RequestID])
		}
	}
}

func (e *pageEvents) complain(format string, args ...any) {
	e.wrong = append(e.wrong, fmt.Sprintf(format, args...))
}
