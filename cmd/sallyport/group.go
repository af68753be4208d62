package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type groupCmd struct {
	Add    groupAddCmd    `cmd:"" help:"Add a group."`
	List   groupListCmd   `cmd:"" help:"List all groups."`
	Remove groupRemoveCmd `cmd:"" help:"Delete a group. An app that no other group opens is then open to nobody."`
	Join   groupJoinCmd   `cmd:"" help:"Add a person to a group."`
	Leave  groupLeaveCmd  `cmd:"" help:"Remove a person from a group."`
}

// shownGroup is a group in JSON.
type shownGroup struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	People    int    `json:"people"`
	CreatedAt string `json:"created_at"`
}

func newShownGroup(g sallyport.Group) shownGroup {
	return shownGroup{g.ID, g.Name, g.People, stamp(g.CreatedAt)}
}

// onGroup is a command about one group.
type onGroup struct {
	inFirstWorkspace
	JSON bool   `name:"json" help:"Print a JSON object."`
	Name string `arg:"" placeholder:"NAME" help:"Name of the group."`
}

// say prints an object as JSON, if that was asked for.
func (c onGroup) say(object any) error {
	if !c.JSON {
		return nil
	}
	line, err := json.Marshal(object)
	if err == nil {
		fmt.Printf("%s\n", text.PlainJSON(line))
	}
	return err
}

// changedGroup is what join, leave and remove print as JSON.
type changedGroup struct {
	Group string `json:"group"`
	Email string `json:"email,omitempty"`
}

type groupAddCmd struct{ onGroup }

func (c *groupAddCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		g, err := in.CreateGroup(ctx, by, c.Name)
		if err != nil {
			return err
		}
		return c.say(newShownGroup(g))
	})
}

type groupRemoveCmd struct{ onGroup }

func (c *groupRemoveCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		err := in.DeleteGroup(ctx, by, c.Name)
		if errors.Is(err, sallyport.ErrNotFound) {
			return noGroup(c.Name)
		}
		if err != nil {
			return err
		}
		return c.say(changedGroup{Group: c.Name})
	})
}

func noGroup(name string) error {
	return fmt.Errorf("no group in this workspace has the name %s: sallyport group list shows all", name)
}

// onMember is a command about a group and a person.
type onMember struct {
	inFirstWorkspace
	JSON  bool   `name:"json" help:"Print a JSON object."`
	Group string `arg:"" placeholder:"GROUP" help:"Name of the group."`
	Email string `arg:"" placeholder:"EMAIL" help:"E-mail address of the person."`
}

// do calls a verb of the Service with the group and the person.
func (c onMember) do(ctx context.Context, verb func(*sallyport.Service, context.Context, sallyport.Caller, string, string) error) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		err := verb(in.Service, ctx, by, c.Group, c.Email)
		if errors.Is(err, sallyport.ErrNotFound) {
			if _, lost := in.Person(ctx, by, c.Email); lost != nil {
				return about(c.Email, lost)
			}
			return noGroup(c.Group)
		}
		if err != nil {
			return err
		}
		return onGroup{JSON: c.JSON}.say(changedGroup{c.Group, c.Email})
	})
}

type (
	groupJoinCmd  struct{ onMember }
	groupLeaveCmd struct{ onMember }
)

func (c *groupJoinCmd) Run(ctx context.Context) error {
	return c.do(ctx, (*sallyport.Service).JoinGroup)
}

func (c *groupLeaveCmd) Run(ctx context.Context) error {
	return c.do(ctx, (*sallyport.Service).LeaveGroup)
}

type groupListCmd struct {
	inFirstWorkspace
	JSON bool `name:"json" help:"Print a JSON array, one group per line."`
}

func (c *groupListCmd) Run(ctx context.Context) error {
	return c.atConsole(ctx, func(in *installation, by sallyport.Caller) error {
		all := []sallyport.Group{}
		for more, after := true, ""; more; {
			list, err := in.Groups(ctx, by, "", after, "")
			if err != nil {
				return err
			}
			if all, more = append(all, list.Groups...), list.Beyond; more {
				after = all[len(all)-1].ID
			}
		}
		if c.JSON {
			return printGroups(all)
		}
		out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(out, "NAME\tPEOPLE\tADDED")
		for _, g := range all {
			fmt.Fprintf(out, "%s\t%d\t%s\n", text.Plain(g.Name), g.People, stamp(g.CreatedAt))
		}
		return out.Flush()
	})
}

func printGroups(all []sallyport.Group) error {
	before := "["
	for _, g := range all {
		line, err := json.Marshal(newShownGroup(g))
		if err != nil {
			return err
		}
		fmt.Printf("%s\n%s", before, text.PlainJSON(line))
		before = ","
	}
	if len(all) == 0 {
		fmt.Print(before)
	}
	_, err := fmt.Println("\n]")
	return err
}
