package sallyporttest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/chromedp/chromedp"
)

// chromium starts the Chromium process that all tests of a test binary share.
// Each Browser has its own browser context in it. The process ends with the test
// binary.
var chromium = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "sallyport-chromium-")
	if err != nil {
		return nil, err
	}
	if err := removeAtEnd(dir); err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // not available in a container or to root
		chromedp.DisableGPU,
		chromedp.UserDataDir(dir),
		chromedp.Flag("lang", "en-US"),
		// Requests to other hosts are recorded, but never sent.
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true),
	)
	// The headless shell has the same engine and is twice as fast.
	if shell, err := exec.LookPath("chromium-headless-shell"); err == nil {
		options = append(options, chromedp.ExecPath(shell))
	}
	ctx, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("starting chromium: %w", err)
	}
	return ctx, nil
})

// untilEnd holds the pipes whose closing tells the shells of removeAtEnd that
// this process has ended.
var untilEnd []io.WriteCloser

// removeAtEnd removes dir when this process has ended, however it ends: a shell
// waits until the kernel closes its input.
func removeAtEnd(dir string) error {
	cmd := exec.Command("sh", "-c", `trap "" INT TERM; read -r _; sleep 1; exec rm -rf "$1"`, "sh", dir)
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	untilEnd = append(untilEnd, alive)
	return cmd.Start()
}
