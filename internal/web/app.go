package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// appPage is what all tabs of an app have.
type appPage struct {
	page
	App   sallyport.App
	Badge badge
	Tabs  []link
}

func (s *site) appPage(r *http.Request, a sallyport.App, tab string) appPage {
	v := appPage{page: page{Title: text.Say("<bdi>{name}</bdi>", "name", a.Name), Wide: true}, App: a, Badge: newBadge(by(r).Workspace(), a)}
	for _, t := range []struct {
		path string
		say  text.Message
	}{{"", text.Say("Details")}, {"/openid", text.Say("OpenID Connect")}, {"/proxy", text.Say("Proxy")}, {"/activity", text.Say("Activity")}} {
		v.Tabs = append(v.Tabs, link{Href: appPath(a.ID) + t.path, Text: t.say, Current: t.path == tab})
	}
	return v
}

// theApp returns the app in the path.
func (s *site) theApp(r *http.Request) (sallyport.App, error) {
	return s.service.App(r.Context(), by(r), r.PathValue("id"))
}

type appDetailsPage struct {
	appPage
	Form     appForm
	Accesses []option
	Levels   []option
	Groups   []option
	Find     string // a search for groups
	Left     int    // groups that match and are not shown
	Search   bool   // there are so many groups that a search helps
	Standard string // colour
}

// appFields are the fields of the form of details.
var appFields = []string{"name", "address", "colour", "access", "group", "level", "fresh"}

// appForm is the content of that form.
type appForm struct {
	Name, Address, Colour, Access, Level, Fresh string
	Groups                                      []string
}

func newAppForm(a sallyport.AppDetails, standard string) appForm {
	f := appForm{a.Name, a.Address, a.Colour, string(a.Access), string(a.Level), strconv.Itoa(a.Fresh), a.Groups}
	if f.Colour == "" {
		f.Colour = standard
	}
	return f
}

func readAppForm(f form, groups []string) appForm {
	return appForm{f.Get("name"), f.Get("address"), f.Get("colour"), f.Get("access"), f.Get("level"), f.Get("fresh"), groups}
}

// details returns what the form says. A colour field is never empty, so choosing the standard colour means to have no own
// colour.
func (f appForm) details(standard string) sallyport.AppDetails {
	fresh, err := strconv.Atoi(strings.TrimSpace(f.Fresh))
	if err != nil && strings.TrimSpace(f.Fresh) != "" {
		fresh = -1 // which is refused
	}
	a := sallyport.AppDetails{
		Name: f.Name, Address: f.Address, Colour: f.Colour, Access: sallyport.AppAccess(f.Access), Groups: f.Groups, Level: sallyport.Level(f.Level), Fresh: fresh,
	}
	if strings.EqualFold(a.Colour, standard) {
		a.Colour = ""
	}
	return a
}

// manyGroups is how many of the groups that an app does not have its page shows.
const manyGroups = 10

// appDetailsPage returns the page with a form; nil: as the app is.
func (s *site) appDetailsPage(r *http.Request, typed *appForm) (*appDetailsPage, error) {
	a, err := s.theApp(r)
	if err != nil {
		return nil, err
	}
	standard := ownColour(by(r).Workspace())
	v := &appDetailsPage{appPage: s.appPage(r, a, ""), Standard: standard, Find: strings.TrimSpace(r.URL.Query().Get("groups"))}
	if v.Form = newAppForm(a.AppDetails, standard); typed != nil {
		v.Form = *typed
	}
	say := s.lang.HTML
	v.Accesses = []option{
		{Value: string(sallyport.AccessEveryone), Label: say(text.Say("Everyone in the workspace"))},
		{Value: string(sallyport.AccessGroups), Label: say(text.Say("The people in these groups"))},
	}
	for _, l := range sallyport.Levels() {
		v.Levels = append(v.Levels, option{Value: string(l), Label: say(levelWords[l]), Hint: say(levelHints[l])})
	}
	all, err := s.service.AppGroups(r.Context(), by(r))
	v.chooseFrom(all)
	return v, err
}

// levelHints explain what an app requires.
var levelHints = map[sallyport.Level]text.Message{
	sallyport.LevelPolicy:            text.Say("As in access control. On a trusted device, the password is enough."),
	sallyport.LevelTwoFactor:         text.Say("In this session: a trusted device does not count."),
	sallyport.LevelPhishingResistant: text.Say("Nothing else opens the app. People without one have to add one first."),
}

// chooseFrom sets the groups that the page shows: those of the app, and some others, which match the search if there is
// one.
func (v *appDetailsPage) chooseFrom(all []sallyport.Group) {
	mine := map[string]bool{}
	for _, id := range v.Form.Groups {
		mine[id] = true
	}
	var others []option
	for _, g := range all {
		o := option{Value: g.ID, Label: bdi(g.Name), Chosen: mine[g.ID]}
		switch {
		case o.Chosen:
			v.Groups = append(v.Groups, o)
		case v.Find != "" && !found(g.Name, v.Find):
		case len(others) < manyGroups:
			others = append(others, o)
		default:
			v.Left++
		}
	}
	v.Groups = append(v.Groups, others...)
	v.Search = v.Left > 0 || v.Find != ""
}

func (s *site) app(w http.ResponseWriter, r *http.Request) error {
	if _, err := readQuery(r); err != nil {
		return err
	}
	var typed *appForm
	if f := s.filled(w, r); f.Has("name") {
		t := readAppForm(f, strings.Fields(f.Get("group")))
		typed = &t
	}
	v, err := s.appDetailsPage(r, typed)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "app", v)
}

func (s *site) appPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r, "group")
	if err != nil {
		return err
	}
	id, typed := r.PathValue("id"), readAppForm(f, f.All("group"))
	details := typed.details(ownColour(by(r).Workspace()))
	wrong := s.service.ChangeApp(r.Context(), by(r), id, func(a *sallyport.App) { a.AppDetails = details })
	if wrong == nil {
		return s.done(w, r, appPath(id), "app-saved")
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.appDetailsPage(r, &typed)
	if err != nil {
		return err
	}
	return s.again(w, r, "app", v, wrong)
}

// appAction is an action on an app, with a page that asks for confirmation first.
type appAction struct {
	path   string
	say    text.Message // on the button
	title  func(sallyport.App) text.Message
	does   func(sallyport.App) text.Message
	loses  bool // people lose the app
	good   bool // for good
	notice string
	do     func(*sallyport.Service, context.Context, sallyport.Caller, string) error
}

var appActions = []appAction{
	{
		path: "disable", say: text.Say("Disable"), loses: true, notice: "app-disabled", do: (*sallyport.Service).DisableApp,
		title: func(a sallyport.App) text.Message {
			return text.Say("Disable <bdi>{name}</bdi>?", "name", a.Name)
		},
		does: func(sallyport.App) text.Message {
			return text.Say("Nobody can use the app until it is enabled again. Its settings stay.")
		},
	},
	{
		path: "enable", say: text.Say("Enable"), notice: "app-enabled", do: (*sallyport.Service).EnableApp,
		title: func(a sallyport.App) text.Message {
			return text.Say("Enable <bdi>{name}</bdi>?", "name", a.Name)
		},
		does: func(sallyport.App) text.Message {
			return text.Say("People can use the app again. They have to sign in to it once more.")
		},
	},
	{
		path: "delete", say: text.Say("Delete"), loses: true, good: true, notice: "app-deleted", do: (*sallyport.Service).DeleteApp,
		title: func(a sallyport.App) text.Message {
			return text.Say("Delete <bdi>{name}</bdi>?", "name", a.Name)
		},
		does: func(sallyport.App) text.Message {
			return text.Say("The app is deleted for good, with all its settings. This cannot be undone. The audit log keeps its events.")
		},
	},
}

// mostGroups is how many groups the page names that asks before people lose an app.
const mostGroups = 10

// lost says who loses what.
func (a appAction) lost(app sallyport.App, who appAccess) (points []text.Message) {
	switch {
	case !a.loses:
		return nil
	case app.Enabled && who.Everyone:
		points = append(points, text.Say("Everyone in the workspace can use it now. They are signed out of it at once."))
	case app.Enabled && who.More > 0:
		points = append(points, text.Say("The people in these groups can use it now: <bdi>{groups}</bdi> and {more} more. They are signed out of it at once.", "groups", strings.Join(who.Groups, ", "), "more", who.More))
	case app.Enabled:
		points = append(points, text.Say("The people in these groups can use it now: <bdi>{groups}</bdi>. They are signed out of it at once.", "groups", strings.Join(who.Groups, ", ")))
	}
	if app.Client != nil {
		points = append(points, text.Say("All tokens that it was issued end for good."))
	}
	if app.NeedsSecret() && a.good {
		points = append(points, text.Say("Its secrets end."))
	}
	if app.Proxy.Tokens {
		points = append(points, text.Say("Programs that use it with an access token are refused."))
	}
	if len(app.Proxy.Hosts) > 0 {
		points = append(points, text.Say("The proxy refuses all requests to <bdi>{hosts}</bdi>.", "hosts", strings.Join(app.Proxy.Hosts, ", ")))
	}
	return points
}

func (s *site) confirmApp(a appAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		app, err := s.theApp(r)
		if err != nil {
			return err
		}
		names, err := s.groupNames(r)
		if err != nil {
			return err
		}
		return s.render(w, r, http.StatusOK, "confirm", &confirmPage{
			page: page{Title: a.title(app)}, Question: a.does(app), Points: a.lost(app, newAppAccess(app, names, mostGroups)),
			Button: a.say, Danger: a.loses, Back: appPath(app.ID),
		})
	}
}

func (s *site) actOnApp(a appAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, err := readForm(w, r); err != nil {
			return err
		}
		id := r.PathValue("id")
		if err := a.do(s.service, r.Context(), by(r), id); err != nil {
			return err
		}
		to := appPath(id)
		if a.good {
			to = appsPath
		}
		return s.done(w, r, to, a.notice)
	}
}

type appActivityPage struct {
	appPage
	Use    sallyport.AppUse
	Opened text.Message
	Events []auditLine
	Pager  pager
}

func (s *site) appActivity(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	found, err := s.service.AppActivity(r.Context(), by(r), r.PathValue("id"), q.Get("before"), listPage)
	if err != nil {
		return err
	}
	v := &appActivityPage{appPage: s.appPage(r, found.App, "/activity"), Use: found.Use}
	v.Opened = text.Count(found.Use.Opened, "{n} time", "{n} times")
	if found.Use.More {
		v.Opened = text.Say("More than {n} times", "n", found.Use.Opened)
	}
	me, _ := by(r).User()
	for _, e := range found.Events {
		v.Events = append(v.Events, s.auditLine(me, found.AuditPage, e, true))
	}
	if q.Get("before") != "" {
		v.Pager.Newer = appPath(found.ID) + "/activity"
	}
	if found.AuditPage.More {
		v.Pager.Older = appPath(found.ID) + "/activity?before=" + found.Events[len(found.Events)-1].ID
	}
	return s.render(w, r, http.StatusOK, "app-activity", v)
}
