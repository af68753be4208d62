package web

import "github.com/sallyport-2fa/sallyport/internal/text"

// confirmPage is the data of confirm.html, the page that asks before an action that cannot be undone. GET shows the
// page, POST performs the action.
type confirmPage struct {
	page
	Question  text.Message
	Points    []text.Message // the consequences, one per line
	Action    string         // where the form is sent; empty: the page's own address
	Button    text.Message   // the verb, as on the button that led here; zero: there is nothing to confirm
	Danger    bool
	Back      string // where Cancel leads
	Mailed    bool   // the page of a link in an e-mail; its form has a field that readMailed checks
	AskReason bool
	Reason    string
	Hidden    []hidden // fields that its form sends besides
}
