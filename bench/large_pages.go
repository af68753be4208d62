package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
	"github.com/sallyport-2fa/sallyport/internal/web"
)

// visitor is the owner, calling the product's handler directly without a network.
type visitor struct {
	world   *largeWorld
	handler http.Handler
	host    string
	cookie  string
	secret  sallyport.Secret
}

func (w *largeWorld) visitor(ctx context.Context, site string) (*visitor, error) {
	quiet := slog.New(slog.DiscardHandler)
	e, err := edge.New(site, nil, quiet)
	if err != nil {
		return nil, err
	}
	pages, err := web.New(e, quiet, text.English)
	if err != nil {
		return nil, err
	}
	v := &visitor{world: w, host: strings.TrimPrefix(site, "http://"), handler: pages(w.service, http.NotFoundHandler())}
	return v, v.signIn(ctx)
}

// signIn gives the owner a session with fresh password and code.
func (v *visitor) signIn(ctx context.Context) error {
	o := v.world.owner
	crowd := world{store: v.world.store, space: v.world.space.ID}
	cookie, err := crowd.crowd(ctx, person{id: o.ID})
	v.cookie = cookiesNamed(v.host) + cookie
	v.secret = sallyport.Secret(strings.TrimPrefix(cookie, "session="))
	return err
}

func (v *visitor) by(ctx context.Context) (sallyport.Caller, error) {
	return v.world.service.Arrive(ctx, sallyport.Arrival{Door: sallyport.DoorWeb, Host: v.host, Session: v.secret})
}

// do sends a request to the handler and returns its duration.
func (v *visitor) do(ctx context.Context, method, path string, form url.Values, out http.ResponseWriter) time.Duration {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(ctx, method, path, body)
	r.Host, r.RemoteAddr = v.host, "127.0.0.1:1"
	r.Header.Set("Cookie", v.cookie)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+v.host)
	}
	start := time.Now()
	v.handler.ServeHTTP(out, r)
	return time.Since(start)
}

// page returns the body and duration of a page, or an error.
func (v *visitor) page(ctx context.Context, path string) (string, time.Duration, error) {
	out := httptest.NewRecorder()
	took := v.do(ctx, "GET", path, nil, out)
	if out.Code != http.StatusOK {
		return "", 0, fmt.Errorf("%s: %d", path, out.Code)
	}
	return out.Body.String(), took, nil
}

// list is a list of people to measure. A simple query over all people gives the expected result.
type list struct {
	name    string
	filters []sallyport.PeopleFilter // used in turn
	where   []string                 // for each filter
	skipped int                      // pages
}

// lists returns the lists that are measured.
func lists() []list {
	one := func(name string, f sallyport.PeopleFilter, where string) list {
		return list{name: name, filters: []sallyport.PeopleFilter{f}, where: []string{where}}
	}
	all := []list{
		one("users-by-name", sallyport.PeopleFilter{Order: sallyport.ByName}, "1 = 1"),
		one("users-by-address", sallyport.PeopleFilter{Order: sallyport.ByAddress}, "1 = 1"),
		one("users-by-made", sallyport.PeopleFilter{Order: sallyport.ByCreated}, "1 = 1"),
		one("users-by-made-newest-first", sallyport.PeopleFilter{Order: sallyport.ByCreated, Reverse: true}, "1 = 1"),
		one("users-with-2fa", sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorEnabled}, "two_factor = 1"),
		one("users-without-2fa", sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorDisabled}, "two_factor = 0 AND must_set_up = 0"),
		one("users-set-up-required", sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorRequired}, "two_factor = 0 AND must_set_up = 1"),
	}
	for _, r := range sallyport.Roles {
		all = append(all, one("users-role-"+string(r), sallyport.PeopleFilter{Role: r}, "role = '"+string(r)+"'"))
	}
	for _, s := range sallyport.States {
		all = append(all, one("users-state-"+string(s), sallyport.PeopleFilter{State: s}, "state = '"+string(s)+"'"))
	}
	for _, o := range []sallyport.Order{sallyport.ByName, sallyport.ByAddress, sallyport.ByCreated} {
		all = append(all,
			one("users-role-2fa-by-"+string(o), sallyport.PeopleFilter{Role: sallyport.Admin, TwoFactor: sallyport.TwoFactorDisabled, Order: o},
				"role = 'admin' AND two_factor = 0 AND must_set_up = 0"),
			one("users-without-2fa-by-"+string(o), sallyport.PeopleFilter{TwoFactor: sallyport.TwoFactorDisabled, Order: o, Reverse: true},
				"two_factor = 0 AND must_set_up = 0"))
	}
	for _, o := range []sallyport.Order{sallyport.ByLastSignIn, sallyport.ByTwoFactor} {
		all = append(all,
			one("users-by-"+string(o), sallyport.PeopleFilter{Order: o}, "1 = 1"),
			one("users-role-2fa-by-"+string(o), sallyport.PeopleFilter{Role: sallyport.Admin, TwoFactor: sallyport.TwoFactorDisabled, Order: o, Reverse: true},
				"role = 'admin' AND two_factor = 0 AND must_set_up = 0"))
	}
	search := func(name string, f sallyport.PeopleFilter, starts ...string) {
		l := list{name: name}
		for _, s := range starts {
			f.Search = s
			where := "1 = 1"
			if f.Role != "" {
				where = "role = '" + string(f.Role) + "'"
			}
			for _, word := range strings.Fields(s) {
				where += " AND EXISTS (SELECT 1 FROM entries WHERE workspace_id = u.workspace_id AND user_id = u.id AND words >= '" + word + "' AND words < '" + word + "\U0010ffff')"
			}
			l.filters, l.where = append(l.filters, f), append(l.where, where)
		}
		all = append(all, l)
	}
	few := []string{"zoë zimmermann9", "müller1", "wong77", "zimmermann99", "tom wong7 wong77"}
	search("users-search-few", sallyport.PeopleFilter{}, few...)
	search("users-search-few-by-last-sign-in", sallyport.PeopleFilter{Order: sallyport.ByLastSignIn, Reverse: true}, few...)
	search("users-search-word", sallyport.PeopleFilter{}, "okafor", "anna", "large", "zoë")
	search("users-search-start", sallyport.PeopleFilter{}, "oka", "n", "m", "zim", "ex")
	search("users-search-two-words", sallyport.PeopleFilter{}, "anna okafor", "okafor zo", "large m", "wong lar")
	search("users-search-rare-role", sallyport.PeopleFilter{Role: sallyport.Admin}, "anna", "m", "okafor", "large")
	for _, of := range []list{all[0], all[4]} {
		of.name, of.skipped = of.name+"-page-1000", 999
		all = append(all, of)
	}
	return all
}

// measurePeople measures the lists: the whole request, and the Service's part of it.
func (b *largeBench) measurePeople(ctx context.Context) error {
	for _, l := range lists() {
		if err := b.measureList(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

const listRounds = 105

func (b *largeBench) measureList(ctx context.Context, l list) error {
	by, err := b.visitor.by(ctx)
	if err != nil {
		return err
	}
	var after []string
	for i, f := range l.filters {
		truth, err := b.truth(ctx, f, l.where[i], l.skipped)
		if err != nil {
			return err
		}
		from := ""
		if l.skipped > 0 {
			from, truth = truth[0], truth[1:]
		}
		after = append(after, from)
		if err := b.compare(ctx, by, f, from, l.where[i], truth); err != nil {
			return fmt.Errorf("%q: %w", f.Search, err)
		}
	}
	var whole, inside []float64
	for i := range listRounds {
		f, from := l.filters[i%len(l.filters)], after[i%len(l.filters)]
		start := time.Now()
		if _, err := b.world.service.People(ctx, by, f, from, ""); err != nil {
			return err
		}
		inside = append(inside, milliseconds(time.Since(start)))
		_, took, err := b.visitor.page(ctx, listPath(f, from))
		if err != nil {
			return err
		}
		whole = append(whole, milliseconds(took))
	}
	b.report.add(l.name, b.world.kind, median(whole), "ms", 5)
	b.report.add(l.name+", service", b.world.kind, median(inside), "ms", 5)
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func listPath(f sallyport.PeopleFilter, after string) string {
	sort := string(f.Order)
	if f.Reverse {
		sort = "-" + sort
	}
	return "/admin/users?" + url.Values{"q": {f.Search}, "two_factor": {f.TwoFactor}, "role": {string(f.Role)}, "state": {string(f.State)},
		"sort": {sort}, "after": {after}}.Encode()
}

// truth returns the expected ids of a page, preceded by the last id of the page before it if there is one.
func (b *largeBench) truth(ctx context.Context, f sallyport.PeopleFilter, where string, skipped int) ([]string, error) {
	keys := map[sallyport.Order][]string{
		sallyport.ByAddress: {"address_folded"}, sallyport.ByCreated: {"created_at"}, sallyport.ByTwoFactor: {"-two_factor", "-must_set_up", "name_folded"},
		sallyport.ByLastSignIn: {"listed_at"},
	}[f.Order]
	if keys == nil {
		keys = []string{"name_folded"}
	}
	direction := ""
	if f.Reverse {
		direction = " DESC"
	}
	limit, offset := sallyport.PeoplePage, 0
	if skipped > 0 {
		limit, offset = sallyport.PeoplePage+1, skipped*sallyport.PeoplePage-1
	}
	all, err := b.beside.texts(ctx, fmt.Sprintf("SELECT id FROM users u WHERE workspace_id = '%s' AND %s ORDER BY %s%s LIMIT %d OFFSET %d",
		b.world.space.ID, where, strings.Join(append(keys, "id"), direction+", "), direction, limit, offset))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no people match %s", where)
	}
	return all, err
}

// compare compares the Service's page and the HTML page with the expected result.
func (b *largeBench) compare(ctx context.Context, by sallyport.Caller, f sallyport.PeopleFilter, after, where string, truth []string) error {
	page, err := b.world.service.People(ctx, by, f, after, "")
	if err != nil {
		return err
	}
	var ids []string
	for _, u := range page.People {
		ids = append(ids, u.ID)
	}
	if page.Order == sallyport.ByWord { // they are more than are sorted
		return b.compareFound(ctx, ids, where)
	}
	if !slices.Equal(ids, truth) {
		return fmt.Errorf("the page has %d people %q, want %d %q", len(ids), ids, len(truth), truth)
	}
	body, _, err := b.visitor.page(ctx, listPath(f, after))
	if err != nil {
		return err
	}
	rest := []byte(body)
	for i, id := range ids {
		_, behind, found := bytes.Cut(rest, []byte("/admin/users/"+id+`"`))
		if !found {
			return fmt.Errorf("person %d of the page is in the wrong place", i)
		}
		rest = behind
	}
	return nil
}

// compareFound checks that everyone on a page of a search has what was searched for, and that the page is full if there
// are that many.
func (b *largeBench) compareFound(ctx context.Context, ids []string, where string) error {
	matching := fmt.Sprintf("FROM users u WHERE workspace_id = '%s' AND %s", b.world.space.ID, where)
	n, err := b.beside.texts(ctx, fmt.Sprintf("SELECT CAST(count(*) AS TEXT) %s AND id IN ('%s')", matching, strings.Join(ids, "', '")))
	if err != nil {
		return err
	}
	all, err := b.beside.texts(ctx, fmt.Sprintf("SELECT CAST(count(*) AS TEXT) FROM (SELECT 1 %s LIMIT %d) found", matching, sallyport.PeoplePage))
	if err != nil {
		return err
	}
	return check("people of the page who were searched for", n[0], all[0])
}
