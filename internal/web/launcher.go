package web

import (
	"cmp"
	"html/template"
	"net/http"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/colour"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const launcherPath = "/apps"

// searchFrom is the number of apps from which the launcher has a search.
const searchFrom = 10

// badge is the letter of an app on its colour. It is drawn as SVG, whose colours need no style sheet.
type badge struct{ Letter, Fill, Ink string }

func newBadge(w sallyport.Workspace, a sallyport.App) badge {
	fill, ok := colour.Parse(cmp.Or(a.Colour, ownColour(w)))
	if !ok {
		fill = colour.Own
	}
	return badge{firstLetter(a.Name), fill.String(), fill.Text().String()}
}

// ownColour returns the colour of a workspace's apps that have none of their own.
func ownColour(w sallyport.Workspace) string { return cmp.Or(w.BrandColour(), colour.Own.String()) }

type launcherPage struct {
	page
	Apps   []tile
	Search string
	Large  bool // there are so many apps that a search helps
}

// tile is an app in the launcher.
type tile struct {
	Badge         badge
	Name, Address string
}

func (s *site) launcher(w http.ResponseWriter, r *http.Request) error {
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	all, err := s.service.Launcher(r.Context(), by(r))
	if err != nil {
		return err
	}
	v := &launcherPage{page: page{Title: text.Say("Your apps"), Wide: true}, Search: strings.TrimSpace(q.Get("q")), Large: len(all) >= searchFrom}
	for _, a := range all {
		if !v.Large || found(a.Name, v.Search) {
			v.Apps = append(v.Apps, tile{newBadge(by(r).Workspace(), a), a.Name, a.Address})
		}
	}
	return s.render(w, r, http.StatusOK, "launcher", v)
}

// found reports whether a name contains what was typed into a search.
func found(name, search string) bool { return strings.Contains(fold.Name(name), fold.Name(search)) }

// home returns the page on which people arrive after signing in: their apps or, if they have none, their account.
func (s *site) home(r *http.Request) (string, error) {
	all, err := s.service.Launcher(r.Context(), by(r))
	if err != nil && !told(err) {
		return "", err
	}
	if len(all) > 0 {
		return launcherPath, nil
	}
	return accountPath, nil // which also says what is in the way, if something is
}

// refusedPage is the data of app-refused.html.
type refusedPage struct {
	page
	Say    text.Message
	Email  string       // of the person who is signed in, or empty
	Back   template.URL // address of the app that says so to it, or empty; registered, so it may have a scheme of the app's own
	Values [][2]string  // to post there; nil: they are in the address
}

// showRefused answers a person who may not use an app. to is the reply that says so to the app, or nil.
func (p *pages) showRefused(w http.ResponseWriter, r *http.Request, refused *sallyport.Error, to *sallyport.Reply) error {
	u, _ := by(r).User()
	v := &refusedPage{page: page{Title: text.Say("You cannot open this app")}, Say: refused.Text, Email: u.Address}
	if to != nil {
		v.LeadsTo, v.Back = []string{to.Origin()}, template.URL(to.Address())
		if to.Mode == sallyport.ModeForm {
			v.Back, v.Values = template.URL(to.To), to.Values
		}
	}
	return p.render(w, r, edge.Status(refused.Kind), "app-refused", v)
}
