package edge

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

// Door is one of the doors besides the pages. It answers addresses of its own.
type Door struct {
	Paths []string // addresses; one that ends in a slash stands for everything below it
	// Handler returns what answers there. refuse shows a person a page that says why something was refused.
	Handler func(service *sallyport.Service, refuse Refuse) http.Handler
}

func (d Door) answers(path string) bool {
	return slices.ContainsFunc(d.Paths, func(own string) bool {
		return path == own || strings.HasSuffix(own, "/") && strings.HasPrefix(path, own)
	})
}

// Beside returns a handler of the pages and of all doors.
func Beside(pages http.Handler, service *sallyport.Service, refuse Refuse, doors []Door) http.Handler {
	handlers := make([]http.Handler, len(doors))
	for i, d := range doors {
		handlers[i] = d.Handler(service, refuse)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i, d := range doors {
			if d.answers(r.URL.Path) {
				handlers[i].ServeHTTP(w, r)
				return
			}
		}
		pages.ServeHTTP(w, r)
	})
}
