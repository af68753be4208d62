package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// A test binary with this variable in its environment is a second process: it increments the counter in the database so
// many times, prints each number after Write has returned, and exits.
const childVariable = "SQLSTORE_TEST_CHILD"

func TestMain(m *testing.M) {
	times, err := strconv.Atoi(os.Getenv(childVariable))
	if err != nil {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1], times); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(url string, times int) error {
	ctx := context.Background()
	s, err := sqlstore.OpenWith(ctx, url, schema)
	if err != nil {
		return err
	}
	for range times {
		var n int64
		err := s.WriteSQL(ctx, func(tx *sqlstore.Tx) error {
			_, err := tx.Row("UPDATE counters SET n = n + 1 WHERE id = 'a' RETURNING n", nil, &n)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
	return s.Close()
}

// startChild starts a second process and returns its output, line by line.
func startChild(t *testing.T, url string, times int) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], url)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childVariable, times))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// A command next to a server under load can write, and the server sees its changes.
func TestTwoProcesses(t *testing.T) {
	const writers, times = 16, 20
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		var all sync.WaitGroup
		var ours atomic.Int64
		ended := make(chan struct{})
		for range writers {
			all.Go(func() {
				for {
					select {
					case <-ended:
						return
					default:
					}
					if err := s.WriteSQL(t.Context(), increment); err != nil {
						t.Error(err)
						return
					}
					ours.Add(1)
				}
			})
		}
		cmd, says := startChild(t, url, times)
		lines := 0
		for says.Scan() {
			lines++
		}
		err := cmd.Wait()
		close(ended)
		all.Wait()
		if err != nil || lines != times {
			t.Errorf("the other process wrote %d times, %v", lines, err)
		}
		wantCounter(t, s, times+ours.Load())
	})
}

// Once Write has returned, its changes survive even if the process is killed.
func TestI10_KilledAfterTheAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		cmd, says := startChild(t, url, 1_000_000)
		var last int64
		for says.Scan() {
			n, err := strconv.ParseInt(says.Text(), 10, 64)
			if err != nil {
				break // the process died in the middle of a line
			}
			if last = n; n == 50 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || last < 50 {
			t.Fatalf("the process ended by itself, at %d", last)
		}
		if n := counter(t, open(t, url)); n < last {
			t.Errorf("it printed %d, but the counter is %d", last, n)
		}
	})
}

// A test cannot cause a power failure, but it can check the settings that protect against one.
func TestI10_CommitsAreSynchronous(t *testing.T) {
	cases := []struct{ name, ask, want string }{
		{"sqlite", "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous", "1"}, // NORMAL, without commits: for these see TestI10_AnswersWaitForTheDisk
		{"sqlite", "SELECT journal_mode FROM pragma_journal_mode", "wal"},
		{"postgres", "SELECT current_setting('synchronous_commit')", "on"},
		{"postgres", "SELECT current_setting('transaction_isolation')", "read committed"},
	}
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url)
		for _, c := range cases {
			if t.Name() != "TestI10_CommitsAreSynchronous/"+c.name {
				continue
			}
			var got string
			err := s.WriteSQL(t.Context(), func(tx *sqlstore.Tx) error {
				_, err := tx.Row(c.ask, nil, &got)
				return err
			})
			if err != nil || got != c.want {
				t.Errorf("%s: %q, %v", c.ask, got, err)
			}
		}
	})
}
