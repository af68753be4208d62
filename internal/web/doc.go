// Package web is the pages: read the form, call one verb of the Service, show what came of it or move on.
//
// What every page stands on is in these files; each concept then has a file of its own (signin.go, recovery.go, ...),
// with the templates of its pages in pages/.
//
//	pages.go    page, the data that every page has; render
//	field.go    form fields in templates           pages/parts.html  all parts: fields, notice, tabs, state, ...
//	confirm.go  the page that asks first           notice.go         what is said after a redirect
//	form.go     reading forms and queries          errors.go         handler; the one place from outcome to status
//	origin.go   posts from our own pages only      qr.go             QR codes
//	static.go   style, script, mark                layout.html       what stands around every page
//
// Security headers, host, client address and cookies come from package edge, texts from package text.
//
// A page is a struct that embeds page, a template named after it, and a handler:
//
//	type signInPage struct {
//		page
//		Email string
//	}
//
//	func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
//		f, err := readForm(w, r)
//		if err != nil {
//			return err
//		}
//		data := &signInPage{page: page{Title: text.Say("Sign in")}, Email: f.get("email")}
//		if data.Email == "" {
//			data.Errors = []fieldError{{"email", text.Say("Enter your e-mail address.")}}
//			return s.render(w, r, http.StatusUnprocessableEntity, "sign_in", data)
//		}
//		...
//		return s.done(w, r, "/account", "signed_in")
//	}
//
// and in pages/sign_in.html, which holds what stands in the main element and nothing around it:
//
//	<h1>{{say .Title}}</h1>
//	<form method="post" class="stack" novalidate>
//	{{template "field" (field . "email" (t "E-mail address") "type" "email" "autocomplete" "username" "value" .Email)}}
//	{{template "password" (field . "password" (t "Password"))}}
//	<button class="btn">{{t "Sign in"}}</button>
//	</form>
//
// In templates {{t "Text with {name}" "name" .Name}} says a text, {{tn "{n} code" "{n} codes" .Left}} one with a
// count, {{say .Message}} a message made in Go, {{time .At}} and {{date .At}} a moment, {{number .N}} a number. Inside
// range and with, the page is $.
package web
