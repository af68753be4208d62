package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const appsPath = "/admin/apps"

func appPath(id string) string { return appsPath + "/" + id }

type appsPage struct {
	page
	Apps []appRow
}

// appRow is an app in the list of all apps.
type appRow struct {
	Badge       badge
	Name, Href  string
	Connections []text.Message
	appAccess
	Level   text.Message
	Fresh   int
	Enabled bool
}

// shownGroups is how many of an app's groups the list names.
const shownGroups = 3

// appAccess is who may use an app: everyone, or the people in some groups, of which there are more than are named.
type appAccess struct {
	Everyone bool
	Groups   []string
	More     int
}

func newAppAccess(a sallyport.App, names map[string]string, most int) appAccess {
	v := appAccess{Everyone: a.Access == sallyport.AccessEveryone}
	for _, id := range a.Groups {
		if name, ok := names[id]; ok {
			v.Groups = append(v.Groups, name)
		}
	}
	slices.Sort(v.Groups)
	if len(v.Groups) > most {
		v.Groups, v.More = v.Groups[:most], len(v.Groups)-most
	}
	return v
}

// groupNames returns the names of all groups by their ids.
func (s *site) groupNames(r *http.Request) (map[string]string, error) {
	all, err := s.service.AppGroups(r.Context(), by(r))
	names := make(map[string]string, len(all))
	for _, g := range all {
		names[g.ID] = g.Name
	}
	return names, err
}

// connections are the ways in which an app is connected.
func connections(a sallyport.App) (all []text.Message) {
	if a.Client != nil {
		all = append(all, text.Say("OpenID Connect"))
	}
	if len(a.Proxy.Hosts) > 0 {
		all = append(all, text.Say("Behind a proxy"))
	}
	return all
}

// levelWords say what an app requires.
var levelWords = map[sallyport.Level]text.Message{
	sallyport.LevelPolicy:            text.Say("What the workspace requires"),
	sallyport.LevelTwoFactor:         text.Say("A second factor"),
	sallyport.LevelPhishingResistant: text.Say("A passkey or security key"),
}

func (s *site) apps(w http.ResponseWriter, r *http.Request) error {
	all, err := s.service.Apps(r.Context(), by(r))
	if err != nil {
		return err
	}
	names, err := s.groupNames(r)
	if err != nil {
		return err
	}
	v := &appsPage{page: page{Title: text.Say("Apps"), Wide: true}}
	for _, a := range all {
		v.Apps = append(v.Apps, appRow{
			Badge: newBadge(by(r).Workspace(), a), Name: a.Name, Href: appPath(a.ID), Connections: connections(a),
			appAccess: newAppAccess(a, names, shownGroups), Level: levelWords[a.Level], Fresh: a.Fresh, Enabled: a.Enabled,
		})
	}
	return s.render(w, r, http.StatusOK, "apps", v)
}

// The ways to connect an app, by what it knows.
const (
	byOpenID = "openid" // it can use OpenID Connect
	byProxy  = "proxy"  // nothing about signing in; a proxy is in front of it
)

// newAppFields are the fields of the form that connects an app.
var newAppFields = []string{"connect", "name", "address", "hosts", "redirect_uris"}

// newAppPage asks what the app knows, or for what is needed to connect it in the way that was chosen.
type newAppPage struct {
	page
	Connect string // empty: not chosen yet
	Typed   form
}

func newNewAppPage(connect string, typed form) *newAppPage {
	v := &newAppPage{page: page{Title: text.Say("Connect an app"), Wide: true}, Connect: connect, Typed: typed}
	switch connect {
	case byOpenID:
		v.Title = text.Say("Connect an app by OpenID Connect")
	case byProxy:
		v.Title = text.Say("Connect an app behind a proxy")
	default:
		v.Connect = ""
	}
	return v
}

func (s *site) newApp(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	typed := s.filled(w, r)
	connect := typed.Get("connect")
	if connect == "" {
		connect = q.Get("connect")
	}
	return s.render(w, r, http.StatusOK, "app-new", newNewAppPage(connect, typed))
}

func (s *site) newAppPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	a := sallyport.App{AppDetails: sallyport.AppDetails{
		Name: f.Get("name"), Address: f.Get("address"), Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy,
	}}
	switch f.Get("connect") {
	case byOpenID:
		a.Client = sallyport.NewAppClient(lines(f.Get("redirect_uris"))...)
	case byProxy:
		a.Proxy.Hosts = lines(f.Get("hosts"))
	default:
		return errFormEmpty
	}
	made, err := s.service.CreateApp(r.Context(), by(r), a)
	switch {
	case err == nil && a.Client != nil:
		return s.showNewSecret(w, r, made.ID, "app-created")
	case err == nil:
		return s.done(w, r, appPath(made.ID)+"/proxy", "app-created")
	case !mendable(err):
		return err
	}
	return s.again(w, r, "app-new", newNewAppPage(f.Get("connect"), f), err)
}

// lines returns the lines of an area that are not empty.
func lines(s string) (all []string) {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
