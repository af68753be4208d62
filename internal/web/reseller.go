package web

import (
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const workspacesPath = "/admin/workspaces"

type workspacesPage struct {
	page
	Workspaces            []resoldRow
	Pager                 pager
	Name, Host            string
	OwnerName, OwnerEmail string
	OwnHost               string
}

// resoldRow is a workspace and the address that leads to it.
type resoldRow struct {
	sallyport.Resold
	URL string
}

func (s *site) workspacesPage(r *http.Request) (*workspacesPage, error) {
	q, err := readQuery(r)
	if err != nil {
		return nil, err
	}
	all, more, err := s.service.Resold(r.Context(), by(r), q.Get("before"), listPage)
	if err != nil {
		return nil, err
	}
	v := &workspacesPage{page: page{Title: text.Say("Workspaces"), Wide: true}, OwnHost: s.edge.Host()}
	for _, w := range all {
		v.Workspaces = append(v.Workspaces, resoldRow{w, s.edge.Origin(w.Host)})
	}
	if q.Get("before") != "" {
		v.Pager.Newer = workspacesPath
	}
	if more {
		v.Pager.Older = workspacesPath + "?before=" + all[len(all)-1].ID
	}
	return v, nil
}

func (s *site) workspaces(w http.ResponseWriter, r *http.Request) error {
	v, err := s.workspacesPage(r)
	if err != nil {
		return err
	}
	v.fill(s.filled(w, r))
	return s.render(w, r, http.StatusOK, "workspaces", v)
}

// workspaceFields are the fields of the form.
var workspaceFields = []string{"workspace", "host", "name", "email"}

func (v *workspacesPage) fill(f form) {
	v.Name, v.Host, v.OwnerName, v.OwnerEmail = f.Get("workspace"), f.Get("host"), f.Get("name"), f.Get("email")
}

func (s *site) workspacesPost(w http.ResponseWriter, r *http.Request) error {
	f, err := readForm(w, r)
	if err != nil {
		return err
	}
	wrong := s.service.CreateWorkspace(r.Context(), by(r), sallyport.NewWorkspace{
		Name: f.Get("workspace"), Host: f.Get("host"), Owner: f.Get("name"), Address: f.Get("email"),
	})
	if wrong == nil {
		return s.done(w, r, workspacesPath, s.mailed("workspace-created"))
	}
	if !mendable(wrong) {
		return wrong
	}
	v, err := s.workspacesPage(r)
	if err != nil {
		return err
	}
	v.fill(f)
	return s.again(w, r, "workspaces", v, wrong)
}
