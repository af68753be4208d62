package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/probe"
)

// recently is how old an event may be that a test of an app shows.
const recently = 15 * time.Minute

type appTestPage struct {
	appPage
	Found  []probe.Finding // by asking the app's hosts
	Events []event         // of the last minutes
}

// testApp tests an app: it asks the app's hosts, and looks at what the app did lately.
func (s *site) testApp(w http.ResponseWriter, r *http.Request) error {
	if _, err := readForm(w, r); err != nil {
		return err
	}
	if err := s.service.MayManageApps(by(r)); err != nil {
		return err
	}
	activity, err := s.service.AppActivity(r.Context(), by(r), r.PathValue("id"), "", 20)
	if err != nil {
		return err
	}
	v := &appTestPage{appPage: s.appPage(r, activity.App, "/test")}
	home := s.edge.Origin(edge.From(r.Context()).Host)
	for i, origin := range activity.App.Proxy.Hosts {
		if i == maxProbed {
			break
		}
		v.Found = append(v.Found, probe.Proxy(r.Context(), origin, probe.Paths{
			SignOut: edge.AppSignOut, LeadsTo: home + edge.SignOutPath, SignIn: home + edge.SignInPath + "?", Cookie: edge.AppCookieName(origin),
		})...)
	}
	for _, e := range activity.Events {
		if s.service.Now().Sub(e.At) < recently && strings.HasPrefix(e.Kind, "app.") {
			v.Events = append(v.Events, newEvent(e))
		}
	}
	return s.render(w, r, http.StatusOK, "app-test", v)
}

// maxProbed is how many hosts of an app are asked. Each takes up to ten seconds.
const maxProbed = 3
