// Command sallyport is the server, and the tools of whoever runs it.
//
//	main.go          the commands, where their settings come from, exit codes
//	installation.go  database and keyset, as every command opens them
//	serve.go         the server: all the wiring
//	health.go        /healthz, /readyz, metrics
//	init.go user.go  what is done on the host itself
//	audit.go         checking the audit log
//	passwords.go     the list of stolen passwords
//	demo.go          a server on throw-away data; demo_*.go are its cast, how they came there, its page and its phone
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
	Init      initCmd      `cmd:"" help:"Make the first workspace and its owner, whose password is read from standard input. The link that serve prints does the same in a browser."`
	User      userCmd      `cmd:"" help:"See and mend people's accounts."`
	Audit     auditCmd     `cmd:"" help:"Look after the audit log."`
	Passwords passwordsCmd `cmd:"" help:"Stolen passwords, that nobody may choose."`
	Demo      demoCmd      `cmd:"" help:"Run a server on this machine with made-up companies and people. Everything is thrown away at its end."`
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
			os.Unsetenv(name) // empty is what compose files make of a variable that is not set
		}
	}
	parser, err := kong.New(&commands{},
		kong.Name("sallyport"),
		kong.Description("Two-factor sign-in for companies and for the software they sell. An option with a variable "+
			"($SALLYPORT_...) takes its value from there, or from the file that the variable with _FILE behind it names; "+
			"the command line goes before the variable, and the variable before the file."),
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
		return report(badUsage("%w (sallyport --help tells more)", err))
	}
	return report(command.Run())
}

// fromFile gives an option that neither the command line nor a variable sets the content of the file that the variable
// with _FILE behind it names: SALLYPORT_DATABASE_FILE=/run/secrets/database.
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

// withoutMark is a text without the byte order mark that editors on Windows put before it.
func withoutMark(s string) string { return strings.TrimPrefix(s, "\ufeff") }

// usage is an error that whoever typed the command or wrote the configuration can mend.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func badUsage(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// report says in one line what went wrong, if anything did, and gives the exit code.
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
