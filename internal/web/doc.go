// Package web serves the pages. A handler reads the form, calls one verb of the Service, and shows the outcome or
// redirects.
//
// These files are the basis of every page. Each concept has its own file (signin.go, recovery.go, ...) and the templates
// of its pages in pages/.
//
//	site.go     from request to caller             routes.go           all pages, and who may open them
//	pages.go    page, the data of every page       pages/layout.html   what surrounds every page
//	field.go    form fields in templates           pages/parts.html    shared parts: fields, notice, tabs, ...
//	confirm.go  the page that asks for consent     flash.go            messages shown after a redirect
//	form.go     reading forms and queries          errors.go           the only mapping of outcomes to statuses
//	origin.go   accepts posts of our own pages     qr.go               QR codes
//	static.go   style sheet, script, icons
//
// Package edge provides security headers, host, client address and cookies; package text provides the texts.
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
//			return s.render(w, r, http.StatusUnprocessableEntity, "sign-in", data)
//		}
//		...
//		return s.done(w, r, "/account", "signed_in")
//	}
//
// pages/sign-in.html contains only the content of the main element:
//
//	<h1>{{say .Title}}</h1>
//	<form method="post" class="stack" novalidate>
//	{{template "field" (field . "email" (t "E-mail address") "type" "email" "autocomplete" "username" "value" .Email)}}
//	{{template "password" (field . "password" (t "Password"))}}
//	<button class="btn">{{t "Sign in"}}</button>
//	</form>
//
// In templates, {{t "Text with {name}" "name" .Name}} shows a text, {{tn "{n} code" "{n} codes" .Left}} a text with a
// count, {{say .Message}} a message created in Go, {{time .At}} and {{date .At}} a time, and {{number .N}} a number.
// Inside range and with, $ is the page.
package web
