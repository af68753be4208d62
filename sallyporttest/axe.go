package sallyporttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// axeFile is where scripts/prepare puts axe-core, below the root of the
// module.
const axeFile = "build/axe-core/axe.min.js"

// axeRun runs every rule of axe-core, best practices too, and the one that is
// off by default. It reads the rules of style sheets from the page itself.
const axeRun = `axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } })
	.then(results => JSON.stringify(results.violations))`

// Axe fails the test when axe-core finds a violation of its rules of
// accessibility on the page as it is shown now, and lists each with what is
// wrong, where, and how to mend it. On a page without scripts they are
// allowed for as long as axe-core runs.
func Axe(b *Browser) {
	b.t.Helper()
	source, err := axeSource()
	if err != nil {
		b.t.Fatalf("axe-core: %v", err)
	}
	found, err := b.runAxe(source)
	if err != nil {
		b.fail("axe-core: %v", err)
	}
	report, err := axeReport(found)
	if err != nil {
		b.t.Fatalf("axe-core: %v", err)
	}
	if report != "" {
		b.t.Errorf("axe-core, %s, %d pixels wide, dark %v:\n%s", b.URL(), b.look.Width, b.look.Dark, report)
	}
}

// runAxe returns the violations as JSON. It may take its time, as it is work
// for the processor and not a wait for the page.
func (b *Browser) runAxe(source string) (found string, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Minute)
	defer cancel()
	if b.look.NoScript {
		if err := b.allowScripts(ctx, true); err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, b.allowScripts(ctx, false)) }()
	}
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](source)); err != nil {
		return "", err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[string](axeRun, chromedp.EvalAwaitPromise))
}

// axeReport makes readable what axe-core found; it is empty when that is
// nothing.
func axeReport(found string) (string, error) {
	var violations []struct {
		ID, Impact, Help, HelpURL string
		Nodes                     []struct {
			HTML           string
			FailureSummary string
		}
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		return "", err
	}
	var s strings.Builder
	for _, v := range violations {
		fmt.Fprintf(&s, "%s (%s): %s, %s\n", v.ID, v.Impact, v.Help, v.HelpURL)
		for _, node := range v.Nodes {
			fmt.Fprintf(&s, "    %s\n        %s\n", node.HTML, strings.ReplaceAll(node.FailureSummary, "\n", "\n        "))
		}
	}
	return s.String(), nil
}

// axeSource reads axe-core from the build directory of the module that the
// working directory is in, as it is in a test.
func axeSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		source, err := os.ReadFile(filepath.Join(dir, axeFile))
		if err == nil {
			return string(source), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("there is no %s in this module: scripts/prepare puts it there", axeFile)
		}
		dir = up
	}
}
