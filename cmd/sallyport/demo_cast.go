package main

import (
	"context"

	"github.com/sallyport-2fa/sallyport"
)

// demoCompany is one workspace of the demo. Together, the companies have a person with every role and in every state.
type demoCompany struct {
	name   string
	policy func(*sallyport.Policy) // its policy from the start
	demand string                  // who must use two-factor authentication, once all people are there
	people []demoPerson            // the first is the owner
}

// demoPerson is a person in the demo, as the story begins.
type demoPerson struct {
	email, name, password string // no password: invited at the end of the story
	role                  sallyport.Role
	authenticators        []string                                         // authenticators, by name
	unsaved               bool                                             // left without confirming that the recovery codes are saved
	then                  func(context.Context, *demoSeed, demoUser) error // what they did next
	lately                demoDeed                                         // what the owner did to them on the last day
	note                  string
}

// demoDeed is something an owner does to a person. It updates u accordingly.
type demoDeed func(ctx context.Context, d *demoSeed, owner sallyport.Caller, u *demoUser) error

// demoCompanies are all companies of the demo. The first is the reseller of the second.
var demoCompanies = []demoCompany{{
	name:   "Acme",
	policy: func(p *sallyport.Policy) { p.TrustedDeviceDays, p.Approvals = 14, true },
	demand: sallyport.RequireAdmins,
	people: []demoPerson{
		{email: "olive@acme.example", name: "Olive Owens", password: "copper_kettle_sings_noon", role: sallyport.Owner, authenticators: []string{"Pixel – Aegis"}, note: "owner: try Users, Access control, and Workspaces, where Globex was created"},
		{email: "adam@acme.example", name: "Adam Ames", password: "velvet_harbour_eleven_kites", role: sallyport.Admin, authenticators: []string{"iPhone – 2FAS", "Tablet – Aegis"}, then: trustDevice, note: "two apps, either works; a trusted device"},
		{email: "maya@acme.example", name: "Maya Mills", password: "paper_lantern_over_quarry", role: sallyport.Manager, note: "manager: can see people, but change nothing"},
		{email: "mark@acme.example", name: "Mark Moreau", password: "walnut_ferry_drifts_north", role: sallyport.Member, authenticators: []string{"Galaxy – Google Authenticator"}, note: "try a recovery code, or a code twice; or sign in in two browsers, and approve the second in the first"},
		{email: "pia@acme.example", name: "Pia Park", password: "quiet_comet_under_the_stairs", role: sallyport.Member, authenticators: []string{"Pixel – Aegis"}, then: addPasskey, note: "has a security key as well, which only she can use: sign in with a code, and add a passkey of your own"},
		{email: "mona@acme.example", name: "Mona Marsh", password: "seven_teapots_on_the_roof", role: sallyport.Member, note: "only a password: try to enable 2FA"},
		{email: "rita@acme.example", name: "Rita Reyes", password: "granite_parrot_slow_tango", role: sallyport.Admin, note: "must set up 2FA: it is required of admins"},
		{email: "una@acme.example", name: "Una Unger", password: "tidy_volcano_knits_scarves", role: sallyport.Member, authenticators: []string{"Pixel – 2FAS"}, unsaved: true, note: "has not saved the recovery codes"},
		{email: "lou@acme.example", name: "Lou Locke", password: "midnight_biscuit_orchard_9", role: sallyport.Member, authenticators: []string{"Fairphone – FreeOTP"}, then: lockOut, note: "10 wrong codes: locked until an administrator unlocks the account"},
		{email: "nora@acme.example", name: "Nora Nash", password: "lost_lighthouse_purple_tea", role: sallyport.Member, authenticators: []string{"Lost phone – Authy"}, lately: reset},
		{email: "sam@acme.example", name: "Sam Sunder", password: "cinnamon_glacier_two_owls", role: sallyport.Member, lately: suspend, note: "suspended: cannot sign in"},
		{email: "ivy@acme.example", name: "Ivy Inez", role: sallyport.Member, lately: invite, note: "invited: the link is in the mail below"},
	},
}, {
	name: "Globex",
	policy: func(p *sallyport.Policy) {
		p.RecoveryCodeMode, p.InviteMethod = sallyport.RecoveryOnce, sallyport.InviteByPassword
	},
	demand: sallyport.RequireEveryone,
	people: []demoPerson{
		{email: "gina@globex.example", name: "Gina Grant", password: "marble_otter_counts_stars", role: sallyport.Owner, authenticators: []string{"Pixel – Google Authenticator"}, note: "owner: try Brand, which is Acme's until Globex sets its own"},
		{email: "gus@globex.example", name: "Gus Gallo", password: "thirteen_red_bicycles_hum", role: sallyport.Admin, authenticators: []string{"iPhone – 1Password"}},
		{email: "greta@globex.example", name: "Greta Gold", password: "willow_engine_quiet_monday", role: sallyport.Manager, authenticators: []string{"Nokia – Aegis"}},
		{email: "glen@globex.example", name: "Glen Gray", password: "saffron_meadow_lost_button", role: sallyport.Member, authenticators: []string{"Galaxy – Authy"}, note: "recovery codes are shown only once"},
		{email: "gwen@globex.example", name: "Gwen Green", password: "pebble_sailor_warm_thunder", role: sallyport.Member, note: "must set up 2FA: it is required of everyone"},
		{email: "tomas@globex.example", name: "Tomás Temple", role: sallyport.Member, lately: invite, note: "temporary password, in the mail below: must choose another, then set up 2FA"},
	},
}}
