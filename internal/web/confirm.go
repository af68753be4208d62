package web

import "github.com/sallyport-2fa/sallyport/internal/text"

// confirmPage is the data of confirm.html: the page that asks before something is done for good. GET shows it, its POST
// does it.
type confirmPage struct {
	page
	Question  text.Message
	Points    []text.Message // what it means, one a line
	Action    string         // where the form goes; the page's own address if empty
	Button    text.Message   // the verb, as on the button that led here; none: there is nothing to confirm
	Danger    bool
	Back      string // where Cancel leads
	Mailed    bool   // it is behind a link in an e-mail: its form has a field that says so
	AskReason bool
	Reason    string
}
