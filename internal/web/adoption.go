package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

const overviewPath = "/admin"

type overviewPage struct {
	page
	Today     sallyport.Adoption
	Chart     *adoptionChart // nil on the first day
	Missing   []personRow
	Lists     []link // of people without two-factor authentication
	Reminders sallyport.Reminders
	MayRemind bool
	Steps     firstSteps
}

func (s *site) overview(w http.ResponseWriter, r *http.Request) error {
	o, err := s.service.Overview(r.Context(), by(r))
	if err != nil {
		return err
	}
	me, _ := by(r).User()
	v := &overviewPage{page: page{Title: text.Say("Overview"), Wide: true}, Today: o.Today(), Chart: newAdoptionChart(o.Days),
		Reminders: o.Reminders, MayRemind: me.Role.May(sallyport.RemindPeople), Steps: s.firstSteps(o.Steps)}
	for _, u := range o.Missing {
		v.Missing = append(v.Missing, s.personRow(by(r), u))
	}
	for _, l := range []struct {
		state string
		say   text.Message
	}{{sallyport.TwoFactorRequired, text.Say("Everyone who must set it up")}, {sallyport.TwoFactorDisabled, text.Say("Everyone who has it disabled")}} {
		f := sallyport.PeopleFilter{TwoFactor: l.state, State: sallyport.Active, Order: sallyport.ByName}
		v.Lists = append(v.Lists, link{Href: listAddress(usersPath, f), Text: l.say})
	}
	if s.edge.Cookie(r, noticeCookie) == remindedNotice {
		s.edge.ClearCookie(w, noticeCookie)
		v.Notice = remindedWords(o.Reminders, s.service.Mailer == nil)
	}
	return s.render(w, r, http.StatusOK, "overview", v)
}

// adoptionChart is a chart of the percentage of people with two-factor authentication, in a box of 1000 by 100. The
// page stretches the box, so words and numbers are around it, not in it.
type adoptionChart struct {
	Days        []sallyport.Adoption // oldest first, at least two
	Points      string               // of the line
	Passkeys    string               // of the line for people with a passkey
	Area        string               // the path of the area below the line
	Dot         string               // the path of the dot at its end
	First, Last sallyport.Adoption
}

func newAdoptionChart(days []sallyport.Adoption) *adoptionChart {
	if len(days) < 2 {
		return nil
	}
	c := &adoptionChart{Days: days, First: days[0], Last: days[len(days)-1]}
	whole := c.Last.Day.Sub(c.First.Day)
	points, passkeys := make([]string, len(days)), make([]string, len(days))
	for i, d := range days {
		across := tenths(1000*float64(d.Day.Sub(c.First.Day))/float64(whole)) + ","
		points[i], passkeys[i] = across+height(d.Enabled, d.People), across+height(d.Passkeys, d.People)
	}
	c.Points, c.Passkeys = strings.Join(points, " "), strings.Join(passkeys, " ")
	c.Area = "M0,100 L" + c.Points + " L1000,100 Z"
	c.Dot = "M" + points[len(points)-1] + " h0"
	return c
}

// height returns how far below the top a share of people is drawn.
func height(some, people int) string {
	if people == 0 {
		return tenths(100)
	}
	return tenths(100 - 100*float64(some)/float64(people))
}

func tenths(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// NewestFirst returns the days for the table.
func (c *adoptionChart) NewestFirst() []sallyport.Adoption {
	all := slices.Clone(c.Days)
	slices.Reverse(all)
	return all
}
