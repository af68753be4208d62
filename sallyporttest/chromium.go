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

// chromium starts the browser that all tests of this test binary share, once.
// Each test has a browser context of its own in it (see NewBrowser). The
// kernel ends it with the test binary.
var chromium = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "sallyport-chromium-")
	if err != nil {
		return nil, err
	}
	if err := removeAtEnd(dir); err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // in a container, and as root, there is none to be had
		chromedp.DisableGPU,
		chromedp.UserDataDir(dir),
		chromedp.Flag("lang", "en-US"),
		// What a page asks of another host is recorded, and goes nowhere.
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-pings", true),
	)
	// The same engine without the windows of a desktop is twice as quick.
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

// untilEnd holds the pipes that tell the removers of removeAtEnd that this
// process is still there.
var untilEnd []io.WriteCloser

// removeAtEnd has dir removed when this process has ended, however it ends:
// a small shell waits for the end of its input, which the kernel closes.
func removeAtEnd(dir string) error {
	cmd := exec.Command("sh", "-c", `trap "" INT TERM; read -r _; sleep 1; exec rm -rf "$1"`, "sh", dir)
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	untilEnd = append(untilEnd, alive)
	return cmd.Start()
}
