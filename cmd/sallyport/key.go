package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/sallyport-2fa/sallyport"
)

type keyCmd struct {
	Rotate keyRotateCmd `cmd:"" help:"Begin to replace the keys with which workspaces sign tokens for apps. The next keys are published at once, and sign a day later."`
}

type keyRotateCmd struct {
	place
	Signing   bool   `required:"" help:"Replace signing keys."`
	Workspace string `placeholder:"HOST" help:"Host name of one workspace, with the port if there is one (default: all of them)."`
	JSON      bool   `name:"json" help:"Print a JSON array on one line."`
}

// shownRotation is the change from one signing key to the next, in JSON.
type shownRotation struct {
	Workspace   string `json:"workspace"`
	Algorithm   string `json:"algorithm"`
	Next        string `json:"next"`
	SignsFrom   string `json:"signs_from"`
	Previous    string `json:"previous"`
	PublishedTo string `json:"previous_published_until"`
}

func (c *keyRotateCmd) Run(ctx context.Context) error {
	in, err := c.open(ctx, console(), false)
	if err != nil {
		return err
	}
	defer in.Close()
	hosts, err := in.chosen(ctx, c.Workspace)
	if err != nil {
		return err
	}
	shown := []shownRotation{}
	for _, host := range hosts {
		by, err := in.Console(ctx, host)
		if err != nil {
			return err
		}
		all, err := in.RotateSigning(ctx, by)
		if err != nil {
			return err
		}
		for _, r := range all {
			shown = append(shown, shownRotation{host, r.Algorithm, r.Next, stamp(r.SignsFrom), r.Previous, stamp(r.HiddenAt)})
		}
		if !c.JSON {
			sayRotation(host, all)
		}
	}
	if !c.JSON {
		return nil
	}
	line, err := json.Marshal(shown)
	if err == nil {
		fmt.Printf("%s\n", line)
	}
	return err
}

// sayRotation prints what happens to the signing keys of a workspace.
func sayRotation(host string, all []sallyport.SigningRotation) {
	if len(all) == 0 {
		fmt.Printf("%s: there are no signing keys yet; they are created when an app first needs one\n", host)
	}
	for _, r := range all {
		fmt.Printf("%s: %s: key %s is published now, and signs from %s; until then %s signs, which stays published until %s\n",
			host, r.Algorithm, r.Next, stamp(r.SignsFrom), r.Previous, stamp(r.HiddenAt))
	}
}
