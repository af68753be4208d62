// Command sallyport is the server and its administration tools.
//
//	main.go          commands, sources of settings, exit codes
//	installation.go  opens the database and the keyset for every command
//	serve.go         the server: all the wiring
//	health.go        /healthz, /readyz, metrics
//	init.go user.go  administration on the host itself
//	audit.go         verifies the audit log
//	key.go           replaces keys
//	passwords.go     the list of stolen passwords
//	demo.go          a server with temporary data; demo_*.go are its people, how they are created, its page and its phone
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sallyport-2fa/sallyport"
	"github.com/sallyport-2fa/sallyport/internal/text"
)

type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run the server."`
	Init      initCmd      `cmd:"" help:"Create the first workspace and its owner, whose password is read from standard input. The link that serve prints does the same in a browser."`
	User      userCmd      `cmd:"" help:"View and repair people's accounts."`
	Audit     auditCmd     `cmd:"" help:"Verify the audit log."`
	Key       keyCmd       `cmd:"" help:"Replace keys."`
	Passwords passwordsCmd `cmd:"" help:"Manage the list of stolen passwords, which are refused as new passwords."`
	Demo      demoCmd      `cmd:"" help:"Run a server on this machine with made-up companies and people. All data is deleted when it stops."`
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "SALLYPORT_") && value == "" {
			os.Unsetenv(name) // compose files pass an unset variable on as an empty one
		}
	}
	parser, err := kong.New(&commands{},
		kong.Name("sallyport"),
		kong.Description("Two-factor sign-in for companies and for the software they sell. An option that lists a variable "+
			"($SALLYPORT_...) can also be set by that variable, or by a file whose path is in the variable with _FILE appended. "+
			"The command line takes precedence over the variable, and the variable over the file."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(kong.ResolverFunc(fromFile)),
		kong.Vars{"url": "http://localhost:8080"},
		kong.BindTo(context.Background(), (*context.Context)(nil)),
	)
	if err != nil {
		return report(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return report(badUsage("%w (see sallyport --help)", err))
	}
	return report(command.Run())
}

// fromFile resolves an option that is set neither on the command line nor by its variable. It reads the file whose path
// is in the variable with _FILE appended: SALLYPORT_DATABASE_FILE=/run/secrets/database.
func fromFile(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		path := os.Getenv(name + "_FILE")
		if _, set := os.LookupEnv(name); set || path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s_FILE: %w", name, err)
		}
		return strings.TrimRight(withoutMark(string(content)), "\r\n"), nil
	}
	return nil, nil
}

// withoutMark removes the byte order mark that editors on Windows put at the start of a file.
func withoutMark(s string) string { return strings.TrimPrefix(s, "\ufeff") }

// usage is an error in the command line or the configuration, which the administrator can correct.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func badUsage(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// report prints err as one line on standard error, unless it is nil, and returns the exit code.
func report(err error) int {
	if err == nil {
		return exitDone
	}
	say := err.Error()
	if outcomes := sallyport.Outcomes(err); len(outcomes) > 0 {
		say = ""
		for _, outcome := range outcomes {
			say += text.English.Text(outcome.Text) + " "
		}
	}
	fmt.Fprintln(os.Stderr, "sallyport:", strings.Join(strings.Fields(say), " "))
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	return exitFailed
}
