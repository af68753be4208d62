package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-2fa/sallyport"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check that no line of the audit log was changed, removed, inserted or moved. Prints what is wrong, if anything is, and ends with 1 then."`
}

type auditVerifyCmd struct {
	place
	Workspace string `placeholder:"HOST" help:"Host name of one workspace, with the port if there is one (default: all of them)."`
}

// shownFindings is how many findings of one log are printed. The number of all of them is always told.
const shownFindings = 100

func (c *auditVerifyCmd) Run(ctx context.Context) error {
	in, err := c.open(ctx, console(), false)
	if err != nil {
		return err
	}
	defer in.Close()
	hosts, err := in.hosts(ctx)
	if err != nil {
		return err
	}
	if c.Workspace != "" {
		if !slices.Contains(hosts, c.Workspace) {
			return noWorkspace(c.Workspace, hosts)
		}
		hosts = []string{c.Workspace}
	}
	findings := 0
	for _, host := range hosts {
		n, err := verifyLog(ctx, in, host)
		if err != nil {
			return err
		}
		findings += n
	}
	if findings > 0 {
		return errors.New("the audit log is not as it was written")
	}
	return nil
}

// verifyLog prints what is wrong with one log, and then what was looked at.
func verifyLog(ctx context.Context, in *installation, host string) (findings int, err error) {
	by, err := in.Console(ctx, host)
	if err != nil {
		return 0, err
	}
	report, err := in.VerifyAudit(ctx, by, func(f sallyport.AuditFinding) {
		if findings++; findings <= shownFindings {
			fmt.Printf("%s: %s %s\n", host, placeOf(f), f.Fault)
		}
	})
	if err != nil {
		return findings, err
	}
	fmt.Printf("%s: %d events, %d of them wait for their seal; ", host, report.Events, report.Waiting)
	if report.Head.Batch > 0 {
		fmt.Printf("newest seal %d %s; ", report.Head.Batch, hex.EncodeToString(report.Head.Hash))
	}
	if findings == 0 {
		fmt.Println("all is as it was written")
		return 0, nil
	}
	fmt.Printf("findings: %d\n", findings)
	return findings, nil
}

// placeOf names a place in the log.
func placeOf(f sallyport.AuditFinding) string {
	var place []string
	if f.Batch != 0 {
		place = append(place, numbered("batch", "batches", f.Batch, f.Count, f.Position == 0))
	}
	if f.Position != 0 {
		place = append(place, numbered("line", "lines", int64(f.Position), f.Count, true))
	}
	switch {
	case f.Event != "" && f.Count > 1:
		place = append(place, fmt.Sprintf("event %s and %d more", f.Event, f.Count-1))
	case f.Event != "":
		place = append(place, "event "+f.Event)
	case len(place) == 0:
		return "the log"
	}
	return strings.Join(place, ", ")
}

func numbered(one, many string, n int64, count int, counts bool) string {
	if counts && count > 1 {
		return fmt.Sprintf("%s %d to %d, each of which", many, n, n+int64(count)-1)
	}
	return fmt.Sprintf("%s %d", one, n)
}
