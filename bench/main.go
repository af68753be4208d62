package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// pairs is how often a figure and its ceiling are measured alternately. The median of the ratios counts.
const pairs = 5

// loadedAfter is the time between the sign-ins and the second measurement of memory.
const loadedAfter = 3 * time.Minute

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "empty":
		err = serveEmpty()
	case len(os.Args) == 5 && os.Args[1] == "hash-rate":
		err = hashRate(os.Args[2], os.Args[3], os.Args[4])
	case len(os.Args) == 2 && os.Args[1] == "large":
		err = runLarge(context.Background())
	default:
		err = run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sallyport-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-ldflags=-s", "-o", binary, "./cmd/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the README
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	size, err := os.Stat(binary)
	if err != nil {
		return err
	}
	empty, err := startEmpty()
	if err != nil {
		return err
	}
	postgres, err := sallyporttest.StartPostgres("fsync=on", "shared_buffers=128MB")
	if err != nil {
		return err
	}
	r := report{}
	r.add("binary", "", float64(size.Size())/1e6, "MB", 40)
	var all []*bench
	for _, kind := range []string{"sqlite", "postgres"} {
		data := filepath.Join(dir, kind)
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		database := filepath.Join(data, "sallyport.db")
		if kind == "postgres" {
			database = postgres
		}
		b := &bench{kind: kind, binary: binary, data: data, database: database, empty: empty, report: &r}
		if err := b.prepare(ctx); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		all = append(all, b)
	}
	// Only the phases of signing in run between the sign-ins and the second measurement of memory.
	for _, phase := range []func(*bench) error{
		(*bench).accountPage, (*bench).signIn, (*bench).trustedSignIn, (*bench).secondStep, (*bench).sessionCheck, (*bench).proxyCheck, (*bench).authorize, (*bench).tokenCheck, (*bench).userInfo,
		(*bench).recoveryCode, (*bench).stepUp, (*bench).passkey, (*bench).approval, (*bench).memory, (*bench).finish,
	} {
		for _, b := range all {
			if err := phase(b); err != nil {
				return fmt.Errorf("%s: %w", b.kind, err)
			}
		}
	}
	return errors.Join(empty.stop(), r.write())
}

// bench is the measurement on one database.
type bench struct {
	kind, binary, data, database string
	empty                        *process
	report                       *report
	world                        *world
	server                       *process
	sessions                     []string         // cookies of the people after the signers
	steps                        map[string]int64 // latest used time step, by user
	completed                    int              // sign-ins seen by the driver
	signedIn                     time.Time
}

func (b *bench) prepare(ctx context.Context) error {
	host, err := freeHost()
	if err != nil {
		return err
	}
	if b.world, err = seed(ctx, b.database, filepath.Join(b.data, "keyset.json"), "http://"+host); err != nil {
		return err
	}
	b.server, _, err = startServer(b.binary, host, b.data, b.database)
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // let the work of the start end
	mb, err := b.server.megabytes()
	b.report.add("memory-idle", b.kind, mb, "MB", 30)
	return err
}

// paired measures a figure and its ceiling alternately, and reports the medians.
func (b *bench) paired(name, unit string, figure, ceiling func(i int) (float64, error)) error {
	var values, ceilings, ratios []float64
	for i := range pairs {
		v, err := figure(i)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c, err := ceiling(i)
		if err != nil {
			return fmt.Errorf("%s, ceiling: %w", name, err)
		}
		values, ceilings, ratios = append(values, v), append(ceilings, c), append(ratios, v/c)
	}
	b.report.addRatio(name, b.kind, median(values), unit, median(ceilings), median(ratios))
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func (b *bench) memory() error {
	time.Sleep(time.Until(b.signedIn.Add(loadedAfter)))
	mb, err := b.server.megabytes()
	b.report.add("memory-loaded", b.kind, mb, "MB", 60)
	return err
}

// finish counts the events, and then measures more starts.
func (b *bench) finish() error {
	host := b.server.host
	if err := b.server.stop(); err != nil {
		return err
	}
	n, err := b.world.completed(context.Background())
	if err != nil {
		return err
	}
	if n != b.completed {
		return fmt.Errorf("the audit log has %d completed sign-ins, but the driver saw %d", n, b.completed)
	}
	if err := b.world.store.Close(); err != nil {
		return err
	}
	var starts []float64
	for range pairs {
		p, took, err := startServer(b.binary, host, b.data, b.database)
		if err != nil {
			return err
		}
		starts = append(starts, float64(took.Microseconds())/1000)
		if err := p.stop(); err != nil {
			return err
		}
	}
	b.report.add("start", b.kind, median(starts), "ms", 50)
	return nil
}

// report is the list of figures.
type report []figure

type figure struct {
	Name     string  `json:"name"`
	Database string  `json:"database"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Ceiling  float64 `json:"ceiling"`
	Ratio    float64 `json:"ratio"`
}

// add adds a figure whose ceiling is its upper limit.
func (r *report) add(name, database string, value float64, unit string, most float64) {
	r.addRatio(name, database, value, unit, most, value/most)
}

func (r *report) addRatio(name, database string, value float64, unit string, ceiling, ratio float64) {
	*r = append(*r, figure{name, database, value, unit, ceiling, ratio})
	fmt.Fprintf(os.Stderr, "%-14s %-9s %6.3f\n", name, database, ratio)
}

func (r *report) write() error {
	fmt.Println("figure          database    ratio      value    ceiling  unit")
	for _, f := range *r {
		fmt.Printf("%-15s %-9s %7.3f %10.1f %10.1f  %s\n", f.Name, f.Database, f.Ratio, f.Value, f.Ceiling, f.Unit)
	}
	b, err := json.MarshalIndent(*r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("bench", "out.json"), append(b, '\n'), 0o644)
}
