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

// pageEvents records what the browser reports about one page: whether it is
// loading, and what went wrong. The goroutine that reads from the browser calls
// add.
type pageEvents struct {
	mu      sync.Mutex
	frame   cdp.FrameID
	starts  int           // how many navigations have started
	loading bool          // whether one is in progress
	changed chan struct{} // closed when starts or loading changes
	hosts   []string      // that pages may send requests to
	asked   map[network.RequestID]string
	wrong   []string
}

func newPageEvents(host string) *pageEvents {
	return &pageEvents{changed: make(chan struct{}), hosts: []string{host}, asked: map[network.RequestID]string{}}
}

// watch sets the frame whose navigations count.
func (e *pageEvents) watch(frame cdp.FrameID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.frame = frame
}

// allow adds a host that pages may send requests to.
func (e *pageEvents) allow(host string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hosts = append(e.hosts, host)
}

// started returns how many navigations have started.
func (e *pageEvents) started() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.starts
}

// complaints returns what has gone wrong so far.
func (e *pageEvents) complaints() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.wrong)
}

// settle waits until no page is loading and, if leads is true, until more than
// before navigations have started.
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
				return errors.New("the page did not finish loading")
			}
			return errors.New("no other page was opened, although one should have been")
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

// judge records problems for Clean.
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
		// Failed requests are judged below, where their type is known.
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
			e.complain("response %d: %s", event.Response.Status, event.Response.URL)
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
