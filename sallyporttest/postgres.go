package sallyporttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-2fa/sallyport/sqlstore"
)

// Postgres creates an empty PostgreSQL database for this test and returns its postgres:// URL. The database is dropped
// when the test ends.
//
// The first call starts a server on loopback for this test binary. Its syncs to disk do nothing (eatmydata), and it ends
// when the process ends. It needs the PostgreSQL programs in /usr/lib/postgresql or in PATH; without them the test fails.
func Postgres(t testing.TB) (url string) {
	t.Helper()
	return createDatabase(t, "template1")
}

// migratedPostgres is Postgres with the tables of the current version. Copying a database is faster than migrating.
func migratedPostgres(t testing.TB) (url string) {
	t.Helper()
	postgres.migrated.Do(func() {
		needPostgres(t)
		administer(t, "CREATE DATABASE migrated")
		store, err := sqlstore.Open(context.Background(), postgresURL(postgres.port, "migrated"))
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
	})
	return createDatabase(t, "migrated")
}

func createDatabase(t testing.TB, template string) (url string) {
	t.Helper()
	needPostgres(t)
	name := fmt.Sprintf("test_%d", postgres.databases.Add(1))
	administer(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { administer(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return postgresURL(postgres.port, name)
}

func needPostgres(t testing.TB) {
	t.Helper()
	postgres.once.Do(func() { postgres.port, postgres.err = startPostgres("eatmydata", "shared_buffers=16MB") })
	if postgres.err != nil {
		t.Fatalf("PostgreSQL for tests: %v", postgres.err)
	}
}

var postgres struct {
	once      sync.Once
	port      int
	err       error
	migrated  sync.Once
	databases atomic.Int64
}

func postgresURL(port int, database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", port, database)
}

func administer(t testing.TB, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, postgresURL(postgres.port, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// StartPostgres starts a PostgreSQL server for this process, with the given settings, and returns the URL of an empty
// database on it. The server ends when the process ends.
func StartPostgres(settings ...string) (url string, err error) {
	port, err := startPostgres("", settings...)
	return postgresURL(port, "postgres"), err
}

// startPostgres initialises a database cluster in a new folder and starts a server on it.
func startPostgres(wrapper string, settings ...string) (port int, err error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return 0, err
	}
	return startCluster(func(data string) *exec.Cmd {
		return exec.Command(initdb, "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--pgdata="+data)
	}, wrapper, settings...)
}

// Standby starts a standby of the server that Postgres uses, for the rest of this process, and returns the address of
// the same database on it.
func Standby(t testing.TB, url string) string {
	t.Helper()
	program, err := postgresProgram("pg_basebackup")
	if err != nil {
		t.Fatal(err)
	}
	port, err := startCluster(func(data string) *exec.Cmd {
		return exec.Command(program, "--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--pgdata="+data, "--dbname="+url)
	}, "eatmydata", "shared_buffers=16MB", "hot_standby=on")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(url, fmt.Sprintf(":%d/", postgres.port), fmt.Sprintf(":%d/", port), 1)
}

// PgBouncer starts a pooler, in a mode (session, transaction, statement), in front of the server that Postgres uses, for the
// rest of this process, and returns the address of the same database on it.
func PgBouncer(t testing.TB, mode, url string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sallyport-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = %s\n", postgres.port, port, mode)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	attr, err := asPostgres(dir)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("pgbouncer", "-q", config)
	run.SysProcAttr, run.Dir = attr, dir
	if err := startTiedToProcess(run); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(run.Process.Signal(syscall.SIGTERM), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := untilItAnswers(port); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(url, fmt.Sprintf(":%d/", postgres.port), fmt.Sprintf(":%d/", port), 1)
}

// startCluster runs a program that fills a new folder, and starts a server on it. When this process ends, the server ends as well
// (Pdeathsig), and the shell around it removes the folder. A wrapper is a program that runs the server.
func startCluster(fill func(data string) *exec.Cmd, wrapper string, settings ...string) (port int, err error) {
	server, err := postgresProgram("postgres")
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "sallyport-postgres-")
	if err != nil {
		return 0, err
	}
	attr, err := asPostgres(dir)
	if err != nil {
		return 0, err
	}
	data := filepath.Join(dir, "data")
	init := fill(data)
	init.SysProcAttr, init.Dir = attr, dir
	if out, err := init.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	if port, err = freePort(); err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	args := []string{"-c", `trap 'kill -INT $child' TERM; "$@" & child=$!; wait $child; wait $child; rm -rf "$0"`, dir}
	if wrapper != "" {
		args = append(args, wrapper)
	}
	args = append(args, server, "-D", data, "-p", strconv.Itoa(port))
	for _, setting := range append(settings, "listen_addresses=127.0.0.1", "unix_socket_directories=",
		"max_connections=200", "log_min_messages=fatal", "deadlock_timeout=50ms") {
		args = append(args, "-c", setting)
	}
	run := exec.Command("/bin/sh", args...)
	run.SysProcAttr, run.Dir, run.Stdout, run.Stderr = attr, dir, log, log
	if err := startTiedToProcess(run); err != nil {
		return 0, err
	}
	if err := untilItAnswers(port); err != nil {
		said, _ := os.ReadFile(log.Name()) // best effort: err is the cause
		return 0, fmt.Errorf("%w\n%s", err, said)
	}
	return port, nil
}

// startTiedToProcess starts cmd from a thread that lives as long as this process, because Pdeathsig is sent when the
// starting thread ends.
func startTiedToProcess(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // keeps the thread alive
		}
	}()
	return <-started
}

func untilItAnswers(port int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(ctx, postgresURL(port, "postgres")); err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// asPostgres gives dir to the user that PostgreSQL will run as, because it refuses to run as root.
func asPostgres(dir string) (*syscall.SysProcAttr, error) { return asUser("postgres", dir) }

// asUser gives dir to the user that a server will run as: the current user, or the named one if that is root.
func asUser(name, dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	account, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(account.Gid)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, uid, gid)
}

// postgresProgram returns the path of a program of the newest installed PostgreSQL.
func postgresProgram(name string) (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // a name that is not a number counts as the oldest
			return n
		}
		return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) }), nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w; install it, on Debian with: apt-get install postgresql", err)
	}
	return path, nil
}
