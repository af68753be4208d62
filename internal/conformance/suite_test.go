// Package conformance_test checks an OpenID Connect provider as its clients see it, over HTTP. The modules bear the
// names of those of the OpenID Foundation's suite that apply to the authorization code flow without dynamic
// registration: the plans basic, config, form post, RP-initiated logout and back-channel logout, and of the dynamic
// plan what needs no registration.
//
// A module knows nothing about the provider but its Provider value, so that the same modules run against the product
// and against another provider, which tests the modules.
//
//	suite_test.go      providers, plans, and how a module runs
//	browser_test.go    the person's browser
//	client_test.go     what a client sends and checks
//	basic_test.go      modules: flow, tokens, userinfo, scopes
//	request_test.go    modules: parameters of a request
//	refusal_test.go    modules: what must be refused
//	discovery_test.go  modules: metadata and keys
//	logout_test.go     modules: sign-out
//	faults_test.go     faults that the modules must find
//	product_test.go    Sallyport as a Provider
//	certified_test.go  npm's oidc-provider as a Provider
package conformance_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// Client is a registered client. All have the addresses redirectURI, queryURI and postLogoutURI.
type Client struct {
	ID, Secret string
	Algorithm  string // of its ID tokens
	Post       bool   // it sends its secret in the body
	Challenge  bool   // it must use PKCE
}

// Addresses that are registered for every client. No browser of the suite ever opens them.
const (
	redirectURI   = "https://rp.example.com/callback"
	queryURI      = "https://rp.example.com/callback?dummy1=lorem&dummy2=ipsum"
	postLogoutURI = "https://rp.example.com/signed-out"
)

// Provider is what is tested. Main, Posting and Strict are three clients: one that uses Basic, one that sends its
// secret in the body, and one that must use PKCE. The first two need not.
type Provider struct {
	Issuer                string
	Main, Posting, Strict Client
	Fill                  func(p *page) (*form, bool) // what the person submits on a page; false: they have nothing to do there
	Now                   func() time.Time
	Wait                  func(time.Duration) // lets time pass
	Deliver               func()              // delivers messages about sign-out that wait
	Rotate                func()              // changes the signing keys; nil: it cannot be asked to
	Messages              *inbox              // gets the messages about sign-out for Main
	Differs               map[string]string   // modules that must fail, and why that is no fault of the module
}

// module is one test of the suite.
type module struct {
	name string
	run  func(r *run)
}

// run is one run of a module. It does not fail the test at once, because a provider may differ in a way that is known.
type run struct {
	*Provider
	mode   string // response_mode of all requests; empty: the default
	http   *http.Client
	faults []string
	skip   string
}

type stop struct{}

func (r *run) errorf(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *run) fatalf(format string, args ...any) {
	r.errorf(format, args...)
	panic(stop{})
}

// skipf ends a module that does not apply to the provider.
func (r *run) skipf(format string, args ...any) {
	r.skip = fmt.Sprintf(format, args...)
	panic(stop{})
}

func (r *run) check(err error) {
	if err != nil {
		r.fatalf("%v", err)
	}
}

// of runs one module over a transport, and returns what was found.
func (p *Provider) of(m module, mode string, over http.RoundTripper) *run {
	r := &run{Provider: p, mode: mode, http: &http.Client{Transport: over, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	func() {
		defer func() {
			if e := recover(); e != nil && e != (stop{}) {
				panic(e)
			}
		}()
		m.run(r)
	}()
	return r
}

func plans() []struct {
	name, mode string
	modules    []module
} {
	basic := slices.Concat(basicModules, requestModules, refusalModules)
	return []struct {
		name, mode string
		modules    []module
	}{{"config", "", discoveryModules}, {"basic", "", basic}, {"form-post", "form_post", basic}, {"logout", "", logoutModules}}
}

// test runs all plans. The first one finds the provider as it is before anybody has signed in.
func (p *Provider) test(t *testing.T) {
	for _, plan := range plans() {
		t.Run(plan.name, func(t *testing.T) {
			for _, m := range plan.modules {
				t.Run(m.name, func(t *testing.T) {
					p.judge(t, p.of(m, plan.mode, http.DefaultTransport), plan.name+"/"+m.name, m.name)
				})
			}
		})
	}
}

func (p *Provider) judge(t *testing.T, r *run, names ...string) {
	if r.skip != "" {
		t.Skip(r.skip)
	}
	for _, name := range names {
		if why, ok := p.Differs[name]; ok && len(r.faults) == 0 {
			t.Errorf("no fault is found, which was expected: %s", why)
		} else if ok {
			t.Skipf("differs, as expected (%s): %q", why, r.faults)
		}
	}
	for _, fault := range r.faults {
		t.Error(fault)
	}
}

// inbox is an endpoint of a client that gets messages about sign-out.
type inbox struct {
	URL  string
	mu   sync.Mutex
	all  []url.Values
	tell chan struct{}
}

func newInbox(t *testing.T) *inbox {
	b := &inbox{tell: make(chan struct{}, 1000)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.ParseForm() != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		b.all = append(b.all, r.PostForm)
		b.mu.Unlock()
		b.tell <- struct{}{}
	}))
	t.Cleanup(server.Close)
	b.URL = server.URL
	return b
}

// clear forgets the messages so far.
func (b *inbox) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = nil
	for len(b.tell) > 0 {
		<-b.tell
	}
}

// next returns the next message.
func (b *inbox) next() url.Values {
	select {
	case <-b.tell:
	case <-time.After(5 * time.Second):
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.all[0]
	b.all = b.all[1:]
	return first
}
