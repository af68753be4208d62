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

// axeFile is where scripts/prepare puts axe-core, relative to the root of the
// module.
const axeFile = "build/axe-core/axe.min.js"

// axeRun runs every rule of axe-core, including best practices and target-size,
// which is off by default.
const axeRun = `axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } })
	.then(results => JSON.stringify(results.violations))`

// Axe fails the test if axe-core finds accessibility violations on the page as
// it is shown now. The message says for each violation what is wrong, where,
// and how to fix it. On a page without scripts, scripts are allowed while
// axe-core runs.
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
		b.t.Errorf("axe-core violations at %s, %d pixels wide, dark %v:\n%s", b.URL(), b.look.Width, b.look.Dark, report)
	}
}

// runAxe returns the violations as JSON. It has a longer timeout than the verbs,
// because it computes rather than waits for the page.
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

// axeReport formats what axe-core found. It returns "" if there are no
// violations.
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

// axeSource reads axe-core from the build directory of the module that contains
// the working directory, which for a test is its package.
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
			return "", fmt.Errorf("%s does not exist in this module: run scripts/prepare", axeFile)
		}
		dir = up
	}
}
