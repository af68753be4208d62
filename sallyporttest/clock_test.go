package sallyporttest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/sallyport-2fa/sallyport/sallyporttest"
)

func TestClock(t *testing.T) {
	start := time.Date(2026, 2, 28, 23, 59, 30, 0, time.UTC)
	clock := sallyporttest.NewClock(start)
	if got := clock.Now(); !got.Equal(start) {
		t.Fatalf("a new clock shows %v, want %v", got, start)
	}
	clock.Advance(time.Minute)
	if got, want := clock.Now(), start.Add(time.Minute); !got.Equal(want) {
		t.Errorf("a minute later it shows %v, want %v", got, want)
	}
	clock.Advance(-2 * time.Minute)
	if got, want := clock.Now(), start.Add(-time.Minute); !got.Equal(want) {
		t.Errorf("two minutes back it shows %v, want %v", got, want)
	}
	clock.Set(start)
	if got := clock.Now(); !got.Equal(start) {
		t.Errorf("set again it shows %v, want %v", got, start)
	}
}

func TestClockConcurrently(t *testing.T) {
	start := time.Unix(0, 0)
	clock := sallyporttest.NewClock(start)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			clock.Advance(time.Second)
			clock.Now()
		})
	}
	wg.Wait()
	if got, want := clock.Now(), start.Add(50*time.Second); !got.Equal(want) {
		t.Errorf("50 advances by a second lead to %v, want %v", got, want)
	}
}
