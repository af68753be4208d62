package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

// runLarge measures the product with a million people and five million events.
func runLarge(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "sallyport-bench-large-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "sallyport")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/sallyport").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	var r largeReport
	for _, kind := range []string{"sqlite", "postgres"} {
		data := filepath.Join(dir, kind)
		if err := os.Mkdir(data, 0o700); err != nil {
			return err
		}
		database := filepath.Join(data, "sallyport.db")
		if kind == "postgres" {
			if database, err = sallyporttest.StartPostgres("fsync=on", "shared_buffers=128MB", "max_wal_size=4GB"); err != nil {
				return err
			}
		}
		if err := r.of(ctx, kind, binary, data, database); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if err := os.RemoveAll(data); err != nil {
			return err
		}
	}
	return r.write()
}

// largeBench is the measurement on one database.
type largeBench struct {
	world        *largeWorld
	visitor      *visitor
	beside       bulk
	report       *largeReport
	binary, data string
}

// of seeds a database and runs the measurements on it.
func (r *largeReport) of(ctx context.Context, kind, binary, data, database string) error {
	host, err := freeHost()
	if err != nil {
		return err
	}
	site, start := "http://"+host, time.Now()
	w, err := seedLarge(ctx, kind, database, filepath.Join(data, "keyset.json"), site)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: seeded in %v\n", kind, time.Since(start).Round(time.Second))
	b := &largeBench{world: w, report: r, binary: binary, data: data}
	return b.measure(ctx, site)
}

func (b *largeBench) measure(ctx context.Context, site string) (err error) {
	if b.visitor, err = b.world.visitor(ctx, site); err != nil {
		return err
	}
	if b.beside, err = openBulk(ctx, b.world.database); err != nil {
		return err
	}
	for _, phase := range []func(*largeBench, context.Context) error{
		(*largeBench).measurePeople, (*largeBench).measureAudit, (*largeBench).measureOverview, (*largeBench).measureCSV,
		(*largeBench).measureEnforcement, (*largeBench).measureSweep, (*largeBench).measureVerify,
	} {
		if err := phase(b, ctx); err != nil {
			return errors.Join(err, b.beside.close(ctx), b.world.store.Close())
		}
	}
	return errors.Join(b.beside.close(ctx), b.world.store.Close())
}

// largeReport is the list of figures.
type largeReport []largeFigure

type largeFigure struct {
	Name     string  `json:"name"`
	Database string  `json:"database"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Target   float64 `json:"target"` // upper limit; 0 means none
}

func (r *largeReport) add(name, database string, value float64, unit string, target float64) {
	*r = append(*r, largeFigure{name, database, value, unit, target})
	fmt.Fprintf(os.Stderr, "%-40s %-9s %9.2f %s\n", name, database, value, unit)
}

func (r *largeReport) write() error {
	fmt.Println("figure                                   database      value    target  unit")
	for _, f := range *r {
		target, missed := "-", ""
		if f.Target > 0 {
			target = fmt.Sprint(f.Target)
		}
		if f.Target > 0 && f.Value > f.Target {
			missed = "  missed"
		}
		fmt.Printf("%-40s %-9s %9.2f %9s  %s%s\n", f.Name, f.Database, f.Value, target, f.Unit, missed)
	}
	b, err := json.MarshalIndent(*r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("bench", "out-large.json"), append(b, '\n'), 0o644)
}

// repeated runs do several times and reports the median duration.
func (b *largeBench) repeated(name string, times int, target float64, do func(i int) (time.Duration, error)) error {
	var all []float64
	for i := range times {
		took, err := do(i)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, milliseconds(took))
	}
	b.report.add(name, b.world.kind, median(all), "ms", target)
	return nil
}

// check returns an error unless both values are equal.
func check[T comparable](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: %v, want %v", what, got, want)
}
