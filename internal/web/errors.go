package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// handler answers a request, or returns why it did not. An error that is not an outcome is a fault: it is logged, and
// nothing of it is shown.
type handler func(w http.ResponseWriter, r *http.Request) error

// problem is an outcome that only pages have.
type problem struct {
	status int
	say    text.Message
	start  string // address at which to start again; empty: the start page
}

// again returns the problem with the address at which to start again.
func (p *problem) again(start string) *problem { return &problem{p.status, p.say, start} }

func (p *problem) Error() string { return text.English.Text(p.say) }

// linked are outcomes whose text on pages links to the page that helps.
var linked = map[string]text.Message{
	sallyport.ErrRestricted.Code:    text.Say(`You signed in with a recovery code, so this is not possible yet. <a href="/account/2fa/after-recovery">See how to lift this restriction</a>.`),
	sallyport.ErrRaiserWithout.Code: text.Say(`To require two-factor authentication, you must have it enabled. <a href="/account/2fa/set-up">Set up your own</a> first.`),
}

// said returns the text of an outcome, as pages show it.
func said(e *sallyport.Error) text.Message {
	if m, ok := linked[e.Code]; ok {
		return m
	}
	return e.Text
}

// Problems that only pages have. All other outcomes come from the Service.
var (
	errNoSuchPage   = &problem{status: http.StatusNotFound, say: text.Say("This page does not exist, or you may not see it. Check the address, or go to the start page.")}
	errMethod       = &problem{status: http.StatusMethodNotAllowed, say: text.Say("This address cannot be used in this way. Go to the start page.")}
	errCrossSite    = &problem{status: http.StatusForbidden, say: text.Say("This form was not sent from a page of this site, so it was not accepted. Open the page again here and send it from there.")}
	errFormType     = &problem{status: http.StatusUnsupportedMediaType, say: text.Say("This page accepts only forms that a browser sends.")}
	errFormTooLarge = &problem{status: http.StatusRequestEntityTooLarge, say: text.Say("This is too much to send at once. Go back and shorten it.")}
	errNotSetUp     = &problem{status: http.StatusServiceUnavailable, say: text.Say("This server has no workspace yet. Open the link that it printed when it started.")}
	errNoSignIn     = &problem{status: http.StatusGone, say: text.Say(`No sign-in is in progress in this browser. It may have taken longer than 10 minutes: start again. If you entered your password only a moment ago, your browser blocks cookies, which signing in needs. <a href="/help/2fa#cookies">Allow cookies</a> for this site, then start again.`)}
	errSignInEnded  = &problem{status: http.StatusGone, say: sallyport.ErrSignInEnded.Text}
	errFormEmpty    = &problem{status: http.StatusUnprocessableEntity, say: text.Say("This form arrived without its content, so nothing was changed. Load the page again and use its button.")}
	errFormBroken   = &problem{status: http.StatusBadRequest, say: text.Say("The form arrived damaged, so nothing was changed. Go back, load the page again and send it once more.")}
)

// serve converts a handler to an http.Handler.
func (p *pages) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			p.answer(w, r, err)
		}
	})
}

// answer is the one place where an outcome becomes a status.
func (p *pages) answer(w http.ResponseWriter, r *http.Request, err error) {
	var known *problem
	var outcome *sallyport.Error
	switch {
	case errors.Is(err, sallyport.ErrUnknownOutcome):
		edge.SetRetryAfter(w, time.Second)
		p.showProblem(w, r, http.StatusServiceUnavailable,
			text.Say("The server does not know whether this was done. Check before you try again."))
	case errors.Is(err, sallyport.ErrUnavailable):
		p.unavailable(w, r, err)
	case errors.As(err, &outcome) && outcome.Is(sallyport.ErrAppRefused):
		if err := p.showRefused(w, r, outcome, nil); err != nil {
			p.fault(w, r, err)
		}
	case errors.As(err, &outcome):
		edge.SetRetryAfter(w, outcome.RetryAfter)
		p.showProblem(w, r, edge.Status(outcome.Kind), said(outcome))
	case errors.As(err, &known):
		p.showProblemAt(w, r, known.status, known.say, known.start)
	default:
		p.fault(w, r, err)
	}
}

// fault answers an error that should not have happened. It drops all cookies that were set before.
func (p *pages) fault(w http.ResponseWriter, r *http.Request, err error) {
	visit := edge.From(r.Context())
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		p.log.Debug("browser went away", "request", visit.ID, "route", visit.Route)
	} else {
		p.log.Error("fault", "request", visit.ID, "route", visit.Route, "error", err)
	}
	w.Header().Del("Set-Cookie")
	w.Header().Del("Location")
	p.showProblem(w, r, http.StatusInternalServerError,
		text.Say("Something went wrong on this server. Try again in a moment."))
}

// retryUnavailable is after what time people are asked to try again: an administrator has to act first, or a database
// has to start.
const retryUnavailable = time.Minute

// unavailable answers a request that the database could not serve. It drops all cookies that were set before.
func (p *pages) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	visit := edge.From(r.Context())
	p.log.Error("database not available", "request", visit.ID, "route", visit.Route, "error", err)
	w.Header().Del("Set-Cookie")
	w.Header().Del("Location")
	edge.SetRetryAfter(w, retryUnavailable)
	p.showProblem(w, r, http.StatusServiceUnavailable,
		text.Say("The server cannot save anything at the moment, so nothing was changed. Try again in a minute."))
}

// problemPage is the data of problem.html.
type problemPage struct {
	page
	Say       text.Message
	RequestID string // shown for faults, so that the log can be searched for it
	Start     string // address at which to start again; empty: the start page
	Instead   string // the server's URL, if the request used another name of loopback
}

// showProblem shows problem.html. The edge uses it too, as edge.Refuse.
func (p *pages) showProblem(w http.ResponseWriter, r *http.Request, status int, say text.Message) {
	p.showProblemAt(w, r, status, say, "")
}

func (p *pages) showProblemAt(w http.ResponseWriter, r *http.Request, status int, say text.Message, start string) {
	data := &problemPage{page: page{Title: problemTitle(status)}, Say: say, Start: start}
	if status == http.StatusMisdirectedRequest {
		data.Instead = p.edge.Instead(r)
	}
	if status >= http.StatusInternalServerError {
		data.RequestID = edge.From(r.Context()).ID
	}
	if err := p.render(w, r, status, "problem", data); err != nil {
		p.log.Error("fault on the page about a fault", "request", data.RequestID, "error", err)
		http.Error(w, p.lang.Text(say), status)
	}
}

func problemTitle(status int) text.Message {
	switch status {
	case http.StatusForbidden:
		return text.Say("Not allowed")
	case http.StatusNotFound:
		return text.Say("Page not found")
	case http.StatusConflict:
		return text.Say("Not possible now")
	case http.StatusGone:
		return text.Say("No longer valid")
	case http.StatusMisdirectedRequest:
		return text.Say("Nothing answers here")
	case http.StatusTooManyRequests:
		return text.Say("Too many tries")
	case http.StatusServiceUnavailable:
		return text.Say("Not available now")
	}
	if status >= http.StatusInternalServerError {
		return text.Say("Something went wrong")
	}
	return text.Say("This did not work")
}

// guard refuses posts from other sites, and answers unknown addresses with a page. The workspace is not known at that
// point: name finds it, or returns an error for a host that has none.
func (p *pages) guard(mux *http.ServeMux, name func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := p.unfit(r, mux)
		if err == nil {
			mux.ServeHTTP(w, r)
			return
		}
		if unknown := name(r); unknown != nil {
			err = unknown
		}
		if errors.Is(err, errMethod) {
			w.Header()["Allow"] = allowed(r, mux)
		}
		p.answer(w, r, err)
	})
}

func (p *pages) unfit(r *http.Request, mux *http.ServeMux) error {
	visit := edge.From(r.Context())
	_, visit.Route = mux.Handler(r)
	switch {
	case visit.Route != "":
		return sameOrigin(r, p.edge.Origin(visit.Host))
	case allowed(r, mux) != nil:
		return errMethod
	}
	return errNoSuchPage
}

// allowed returns the methods of an address, or nil if no route answers there.
func allowed(r *http.Request, mux *http.ServeMux) []string {
	trial := headerOnly{header: http.Header{}}
	mux.ServeHTTP(&trial, r)
	return trial.header["Allow"]
}

// headerOnly is an http.ResponseWriter that keeps only the headers.
type headerOnly struct{ header http.Header }

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) WriteHeader(int)             {}
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
