package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/fold"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type appCmd struct {
	Add     appAddCmd     `cmd:"" help:"Connect an app, and print its ID and, if it uses one, its client secret."`
	Set     appSetCmd     `cmd:"" help:"Change an app. What is not given stays as it is."`
	List    appListCmd    `cmd:"" help:"List all apps."`
	Secret  appSecretCmd  `cmd:"" help:"Print a new client secret of an app. At most two stay valid; the oldest ends."`
	Enable  appEnableCmd  `cmd:"" help:"Let people use an app again."`
	Disable appDisableCmd `cmd:"" help:"Close an app to everyone. Everything that it was issued ends."`
	Remove  appRemoveCmd  `cmd:"" help:"Delete an app permanently, with everything that it was issued."`
}

// appOptions are the settings of an app. What is nil was not given.
type appOptions struct {
	Address *string  `placeholder:"URL" help:"Address that people open. Empty: they do not see the app among theirs."`
	Colour  *string  `placeholder:"#RRGGBB" help:"Colour of its letter. Empty: that of the brand."`
	Group   []string `sep:"none" placeholder:"NAME" help:"Group whose people may use the app, instead of everyone; may be repeated. Empty: everyone."`
	Level   *string  `placeholder:"LEVEL" help:"What it requires: policy (what the workspace requires), two_factor or phishing_resistant."`
	Fresh   *int     `placeholder:"MINUTES" help:"Maximum age of the proof that the level requires; 0 for any."`

	Redirect      []string `sep:"none" placeholder:"URL" help:"OpenID Connect: address to which people come back; may be repeated. Empty: none."`
	Public        *bool    `negatable:"" help:"OpenID Connect: the app cannot keep a secret."`
	PKCE          *string  `name:"pkce" placeholder:"required|optional" help:"OpenID Connect: whether PKCE is required. Optional is weaker."`
	Alg           *string  `placeholder:"RS256|ES256|EdDSA" help:"OpenID Connect: signature of ID tokens."`
	JWKS          *string  `name:"jwks" placeholder:"FILE" help:"OpenID Connect: file with the public keys of the app, which then needs no secret. Empty: none."`
	PostLogout    []string `sep:"none" placeholder:"URL" help:"OpenID Connect: address to go to after signing out; may be repeated. Empty: none."`
	Backchannel   *string  `name:"backchannel-logout" placeholder:"URL" help:"OpenID Connect: address that is told when a session ends. Empty: none."`
	IDTokenClaims *string  `name:"id-token-claims" placeholder:"yes|no" help:"OpenID Connect: ID tokens contain name, e-mail address and groups."`
	Refresh       *string  `placeholder:"yes|no" help:"OpenID Connect: the app may get refresh tokens."`

	Host   []string `sep:"none" placeholder:"ORIGIN" help:"Behind a proxy: host of the app, such as https://wiki.example.com; may be repeated. Empty: none."`
	Rule   []string `sep:"none" placeholder:"RULE" help:"Behind a proxy: a rule, such as '/admin = two_factor'; may be repeated. Empty: none."`
	Tokens *bool    `negatable:"" help:"Behind a proxy: people may create access tokens for programs."`
}

// Validate is called by kong.
func (o *appOptions) Validate() error {
	for _, c := range []struct {
		option string
		given  *string
		values []string
	}{
		{"--level", o.Level, []string{"policy", "two_factor", "phishing_resistant"}}, {"--pkce", o.PKCE, []string{"required", "optional"}},
		{"--alg", o.Alg, []string{"RS256", "ES256", "EdDSA"}}, {"--id-token-claims", o.IDTokenClaims, []string{"yes", "no"}}, {"--refresh", o.Refresh, []string{"yes", "no"}},
	} {
		if c.given != nil && !slices.Contains(c.values, *c.given) {
			return fmt.Errorf("%s must be %s, not %q", c.option, strings.Join(c.values, " or "), *c.given)
		}
	}
	return nil
}

// given returns the values of a list without empty ones.
func given(list []string) (all []string) {
	for _, one := range list {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// set sets a setting if its option was given.
func set[T, V any](to *T, option *V, convert func(V) T) {
	if option != nil {
		*to = convert(*option)
	}
}

func setList(to *[]string, option []string) {
	if option != nil {
		*to = given(option)
	}
}

func same[T any](v T) T { return v }

// change returns a function that changes an app as the options say. groups are those of the workspace.
func (o *appOptions) change(groups []sallyport.Group) (func(*sallyport.App), error) {
	var ids []string
	if o.Group != nil {
		for _, name := range given(o.Group) {
			i := slices.IndexFunc(groups, func(g sallyport.Group) bool { return fold.Name(g.Name) == fold.Name(name) })
			if i < 0 {
				return nil, fmt.Errorf("no group in this workspace has the name %q", name)
			}
			ids = append(ids, groups[i].ID)
		}
	}
	keys := ""
	if o.JWKS != nil && *o.JWKS != "" {
		content, err := os.ReadFile(*o.JWKS)
		if err != nil {
			return nil, badUsage("--jwks: %w", err)
		}
		keys = strings.TrimSpace(withoutMark(string(content)))
	}
	return func(a *sallyport.App) {
		set(&a.Address, o.Address, same)
		set(&a.Colour, o.Colour, same)
		set(&a.Level, o.Level, func(v string) sallyport.Level { return sallyport.Level(v) })
		set(&a.Fresh, o.Fresh, same)
		setList(&a.Proxy.Hosts, o.Host)
		setList(&a.Proxy.Rules, o.Rule)
		set(&a.Proxy.Tokens, o.Tokens, same)
		if o.Group != nil {
			a.Groups, a.Access = ids, sallyport.AccessGroups
			if len(ids) == 0 {
				a.Access = sallyport.AccessEveryone
			}
		}
		o.changeClient(a, keys)
	}, nil
}

// changeClient changes how an app uses OpenID Connect. An option about that connects an app that did not use it.
func (o *appOptions) changeClient(a *sallyport.App, keys string) {
	if o.Redirect == nil && o.Public == nil && o.PKCE == nil && o.Alg == nil && o.JWKS == nil && o.PostLogout == nil && o.Backchannel == nil && o.IDTokenClaims == nil && o.Refresh == nil {
		return
	}
	if a.Client == nil {
		a.Client = sallyport.NewAppClient()
	}
	c, yes := a.Client, func(v string) bool { return v == "yes" }
	setList(&c.RedirectURIs, o.Redirect)
	setList(&c.PostLogoutURIs, o.PostLogout)
	set(&c.BackchannelLogoutURI, o.Backchannel, same)
	set(&c.Public, o.Public, same)
	set(&c.PKCEOptional, o.PKCE, func(v string) bool { return v == "optional" })
	set(&c.Algorithm, o.Alg, same)
	set(&c.JWKS, o.JWKS, func(string) string { return keys })
	set(&c.IDTokenClaims, o.IDTokenClaims, yes)
	set(&c.Refresh, o.Refresh, yes)
}

type appAddCmd struct {
	inFirstWorkspace
	Name string `arg:"" placeholder:"NAME" help:"Name of the app."`
	appOptions
	JSON bool `name:"json" help:"Print a JSON object."`
}

func (c *appAddCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		groups, err := in.AppGroups(ctx, by)
		if err != nil {
			return err
		}
		change, err := c.change(groups)
		if err != nil {
			return err
		}
		a := sallyport.App{AppDetails: sallyport.AppDetails{Name: c.Name, Access: sallyport.AccessEveryone, Level: sallyport.LevelPolicy}}
		change(&a)
		if a, err = in.CreateApp(ctx, by, a); err != nil {
			return err
		}
		made := madeApp{ID: a.ID, Name: a.Name}
		if a.Client != nil {
			made.ClientID = a.ID
		}
		if a.NeedsSecret() && len(a.Client.RedirectURIs) > 0 {
			secret, err := in.NewClientSecret(ctx, by, a.ID)
			if err != nil {
				return err
			}
			made.ClientSecret = secret.Reveal()
		}
		return made.print(c.JSON)
	})
}

// madeApp is what an app needs to know about its connection.
type madeApp struct {
	ID           string `json:"id,omitempty"`
	Name         string `json:"name,omitempty"`
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
}

func (m madeApp) print(asJSON bool) error {
	if asJSON {
		return printJSON(m)
	}
	if m.ClientSecret != "" {
		fmt.Fprintln(os.Stderr, "Enter the client secret in the app. It is not shown again.")
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	for _, line := range [][2]string{{"id", m.ID}, {"name", m.Name}, {"client id", m.ClientID}, {"client secret", m.ClientSecret}} {
		if line[1] != "" {
			fmt.Fprintf(out, "%s\t%s\n", line[0], text.Plain(line[1]))
		}
	}
	return out.Flush()
}

// printJSON prints a value as one line of JSON.
func printJSON(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		fmt.Printf("%s\n", text.PlainJSON(line))
	}
	return err
}

// onApp is a command about one app.
type onApp struct {
	inFirstWorkspace
	ID   string `arg:"" placeholder:"ID" help:"ID of the app, from sallyport app list."`
	JSON bool   `name:"json" help:"Print the app as a JSON object."`
}

// do runs a verb of the Service on the app. With --json, it then prints the app.
func (c *onApp) do(ctx context.Context, verb func(*installation, sallyport.Caller, []sallyport.Group) error) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		groups, err := in.AppGroups(ctx, by)
		if err != nil {
			return err
		}
		if err := c.named(verb(in, by, groups)); err != nil || !c.JSON {
			return err
		}
		a, err := in.App(ctx, by, c.ID)
		if errors.Is(err, sallyport.ErrNotFound) { // it was deleted
			return printJSON(madeApp{ID: c.ID})
		}
		if err != nil {
			return err
		}
		return printJSON(newShownApp(a, groups))
	})
}

// named replaces ErrNotFound by an error that names the app.
func (c *onApp) named(err error) error {
	if errors.Is(err, sallyport.ErrNotFound) {
		return fmt.Errorf("no app in this workspace has the ID %s: sallyport app list shows all", text.Plain(c.ID))
	}
	return err
}

type (
	appEnableCmd  struct{ onApp }
	appDisableCmd struct{ onApp }
	appRemoveCmd  struct{ onApp }
	appSecretCmd  struct {
		inFirstWorkspace
		ID   string `arg:"" placeholder:"ID" help:"ID of the app, from sallyport app list."`
		JSON bool   `name:"json" help:"Print a JSON object."`
	}
	appSetCmd struct {
		onApp
		Name *string `placeholder:"NAME" help:"New name."`
		appOptions
		NoOpenID bool `name:"no-openid" help:"Disconnect the app from OpenID Connect: its secrets and tokens end."`
	}
)

func (c *appEnableCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(in *installation, by sallyport.Caller, _ []sallyport.Group) error {
		return in.EnableApp(ctx, by, c.ID)
	})
}

func (c *appDisableCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(in *installation, by sallyport.Caller, _ []sallyport.Group) error {
		return in.DisableApp(ctx, by, c.ID)
	})
}

func (c *appRemoveCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(in *installation, by sallyport.Caller, _ []sallyport.Group) error {
		return in.DeleteApp(ctx, by, c.ID)
	})
}

func (c *appSetCmd) Run(ctx context.Context) error {
	return c.do(ctx, func(in *installation, by sallyport.Caller, groups []sallyport.Group) error {
		change, err := c.change(groups)
		if err != nil {
			return err
		}
		return in.ChangeApp(ctx, by, c.ID, func(a *sallyport.App) {
			set(&a.Name, c.Name, same)
			change(a)
			if c.NoOpenID {
				a.Client = nil
			}
		})
	})
}

func (c *appSecretCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		secret, err := in.NewClientSecret(ctx, by, c.ID)
		if err != nil {
			return (&onApp{ID: c.ID}).named(err)
		}
		if c.JSON {
			return printJSON(madeApp{ClientSecret: secret.Reveal()})
		}
		fmt.Fprintln(os.Stderr, "Enter this client secret in the app. It is not shown again.")
		fmt.Println(secret.Reveal())
		return nil
	})
}

// shownApp is an app in JSON.
type shownApp struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Address       string   `json:"address"`
	Colour        string   `json:"colour,omitempty"`
	Access        string   `json:"access"`
	Groups        []string `json:"groups"`
	Level         string   `json:"level"`
	Fresh         int      `json:"fresh"`
	Hosts         []string `json:"hosts"`
	Rules         []string `json:"rules"`
	Tokens        bool     `json:"tokens"`
	ClientID      string   `json:"client_id,omitempty"`
	RedirectURIs  []string `json:"redirect_uris"`
	PostLogout    []string `json:"post_logout_uris,omitempty"`
	Backchannel   string   `json:"backchannel_logout_uri,omitempty"`
	Public        bool     `json:"public,omitempty"`
	PKCE          string   `json:"pkce,omitempty"`
	Algorithm     string   `json:"alg,omitempty"`
	JWKS          string   `json:"jwks,omitempty"`
	IDTokenClaims bool     `json:"id_token_claims,omitempty"`
	Refresh       bool     `json:"refresh,omitempty"`
	Enabled       bool     `json:"enabled"`
	CreatedAt     string   `json:"created_at"`
}

func newShownApp(a sallyport.App, groups []sallyport.Group) shownApp {
	v := shownApp{
		ID: a.ID, Name: a.Name, Address: a.Address, Colour: a.Colour, Access: string(a.Access), Groups: []string{}, Level: string(a.Level), Fresh: a.Fresh,
		Hosts: listOf(a.Proxy.Hosts), Rules: listOf(a.Proxy.Rules), Tokens: a.Proxy.Tokens, RedirectURIs: []string{}, Enabled: a.Enabled, CreatedAt: stamp(a.CreatedAt),
	}
	for _, g := range groups {
		if slices.Contains(a.Groups, g.ID) {
			v.Groups = append(v.Groups, g.Name)
		}
	}
	if c := a.Client; c != nil {
		v.ClientID, v.RedirectURIs, v.PostLogout, v.Backchannel, v.Public = a.ID, listOf(c.RedirectURIs), c.PostLogoutURIs, c.BackchannelLogoutURI, c.Public
		v.PKCE, v.Algorithm, v.JWKS, v.IDTokenClaims, v.Refresh = "required", c.Algorithm, c.JWKS, c.IDTokenClaims, c.Refresh
		if c.PKCEOptional {
			v.PKCE = "optional"
		}
	}
	return v
}

// listOf returns a list that JSON shows as [] if it is empty.
func listOf(all []string) []string { return append([]string{}, all...) }

// connection says in a word or two how the app is connected.
func (v shownApp) connection() string {
	var all []string
	if v.ClientID != "" {
		all = append(all, "openid")
	}
	if len(v.Hosts) > 0 {
		all = append(all, "proxy")
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ",")
}

type appListCmd struct {
	inFirstWorkspace
	JSON bool `name:"json" help:"Print a JSON array, one app per line."`
}

func (c *appListCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		groups, err := in.AppGroups(ctx, by)
		if err != nil {
			return err
		}
		all, err := in.Apps(ctx, by)
		if err != nil {
			return err
		}
		shown := make([]shownApp, len(all))
		for i, a := range all {
			shown[i] = newShownApp(a, groups)
		}
		if c.JSON {
			return printApps(shown)
		}
		out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(out, "ID\tNAME\tCONNECTION\tACCESS\tLEVEL\tSTATE")
		for _, v := range shown {
			access, state := "everyone", "enabled"
			if v.Access == string(sallyport.AccessGroups) {
				access = strings.Join(v.Groups, ",")
			}
			if !v.Enabled {
				state = "disabled"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", v.ID, text.Plain(v.Name), v.connection(), text.Plain(access), v.Level, state)
		}
		return out.Flush()
	})
}

func printApps(all []shownApp) error {
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, "[")
	for i, v := range all {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprint(out, ",")
		}
		fmt.Fprintf(out, "\n%s", text.PlainJSON(line))
	}
	fmt.Fprintln(out, "\n]")
	return out.Flush()
}
