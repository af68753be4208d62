package web

import (
	"errors"
	"net/http"

	"github.com/sallyport-2fa/sallyport/internal/edge"
)

// form is the data that a page was sent.
type form = edge.Form

// readForm is edge.ReadForm whose errors are problems. A step-up that interrupts the request finds the values in its
// PostForm.
func readForm(w http.ResponseWriter, r *http.Request, repeating ...string) (form, error) {
	f, err := edge.ReadForm(w, r, repeating...)
	return f, formProblem(err)
}

// readQuery is edge.ReadQuery whose errors are problems.
func readQuery(r *http.Request, repeating ...string) (form, error) {
	f, err := edge.ReadQuery(r, repeating...)
	return f, formProblem(err)
}

func formProblem(err error) error {
	switch {
	case errors.Is(err, edge.ErrBodyType):
		return errFormType
	case errors.Is(err, edge.ErrBodyTooLarge):
		return errFormTooLarge
	case errors.Is(err, edge.ErrBodyBroken):
		return errFormBroken
	}
	return err
}
