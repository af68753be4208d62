package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport-2fa/sallyport/internal/audit"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check that no line of the audit log was changed, removed, inserted or moved. If any was, print what is wrong and exit with 1."`
}

type auditVerifyCmd struct {
	place
	Workspace string `placeholder:"HOST" help:"Host name of one workspace, with the port if there is one (default: all of them)."`
	Head      string `placeholder:"BATCH:HASH" help:"A head from an earlier verify or from the server's log, which the audit log must still contain. Needs --workspace if there are several."`
}

// shownFindings is how many findings of one log are printed. Their total number is always printed.
const shownFindings = 100

func (c *auditVerifyCmd) Run(ctx context.Context) error {
	in, err := c.open(ctx, console(), false)
	if err != nil {
		return err
	}
	defer in.Close()
	hosts, err := in.chosen(ctx, c.Workspace)
	if err != nil {
		return err
	}
	if c.Head != "" && len(hosts) > 1 {
		return badUsage("--head belongs to one workspace: choose it with --workspace")
	}
	findings := 0
	for _, host := range hosts {
		n, err := verifyLog(ctx, in, host, c.Head)
		if err != nil {
			return err
		}
		findings += n
	}
	if findings > 0 {
		return errors.New("the audit log has been changed since it was written")
	}
	return nil
}

// parseHead reads BATCH:HASH.
func parseHead(head string) (batch int64, hash []byte, err error) {
	number, digits, _ := strings.Cut(head, ":")
	batch, err = strconv.ParseInt(number, 10, 64)
	if err == nil {
		hash, err = hex.DecodeString(digits)
	}
	if err != nil || batch < 1 || len(hash) != sha256.Size {
		return 0, nil, badUsage("--head: %q is not a head; write it as audit verify prints it, such as 12:9f86d0...", head)
	}
	return batch, hash, nil
}

// verifyLog prints what is wrong with one log, then a summary. If head is not empty, the log must contain it.
func verifyLog(ctx context.Context, in *installation, host, head string) (findings int, err error) {
	by, err := in.Console(ctx, host)
	if err != nil {
		return 0, err
	}
	report, err := audit.Verify(ctx, in.Service, by, func(f audit.Finding) {
		if findings++; findings <= shownFindings {
			fmt.Printf("%s: %s %s\n", host, placeOf(f), f.Fault)
		}
	})
	if err != nil {
		return findings, err
	}
	if head != "" {
		batch, hash, err := parseHead(head)
		if err != nil {
			return findings, err
		}
		there, err := audit.Contains(ctx, in.Service, by, batch, hash)
		if err != nil {
			return findings, err
		}
		if !there {
			findings++
			fmt.Printf("%s: the log does not contain the head %s: the log was cut off or replaced, or --audit-days has deleted that batch\n", host, head)
		}
	}
	fmt.Printf("%s: %d events, %d of them not yet sealed; ", host, report.Events, report.Waiting)
	if findings == 0 {
		fmt.Println("the log is intact")
	} else {
		fmt.Printf("findings: %d\n", findings)
	}
	if report.Head.Batch > 0 {
		fmt.Printf("head: %d:%s\n", report.Head.Batch, hex.EncodeToString(report.Head.Hash))
	}
	return findings, nil
}

// placeOf says where in the log a finding is.
func placeOf(f audit.Finding) string {
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
