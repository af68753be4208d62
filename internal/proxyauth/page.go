package proxyauth

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/edge"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

// style is in the page, because the page is on the app's host, where nothing else of ours is.
const style = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}body{max-width:34rem;margin:15vh auto;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25}a{color:inherit}`

var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

var refusalPage = template.Must(template.New("refusal").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}" dir="{{.Dir}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title><style>{{.Style}}</style></head>
<body><main><h1>{{.Title}}</h1><p role="alert">{{.Text}}</p>{{if .To}}<p><a href="{{.To}}">{{.Link}}</a></p>{{end}}</main></body></html>
`))

var (
	refusedTitle = text.Say("You cannot open this page")
	brokenTitle  = text.Say("This address does not work")

	toStart   = text.Say("Open the app")
	toSignOut = text.Say("Use another account")
)

// showRefusal answers a person. An app that does not exist gets the same answer as one that is closed to them.
func (d *Door) showRefusal(w http.ResponseWriter, status int, e *sallyport.Error) {
	title := refusedTitle
	if status == http.StatusBadRequest || e.Kind == sallyport.Gone {
		title = brokenTitle
	}
	to, link := "", text.Message{}
	switch e.Code {
	case sallyport.ErrTicketWrong.Code, sallyport.ErrCookieMissing.Code:
		to, link = "/", toStart
	case sallyport.ErrAppRefused.Code:
		to, link = edge.AppSignOut, toSignOut
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleHash+"; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_ = refusalPage.Execute(w, map[string]any{ // the client may be gone
		"Lang": d.lang.Tag, "Dir": d.lang.Dir, "Title": d.lang.Text(title), "Text": d.lang.HTML(e.Text), "Style": template.CSS(style),
		"To": to, "Link": d.lang.Text(link),
	})
}
