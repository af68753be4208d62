package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// serveEmpty is the ceiling for HTTP requests: a process with a handler that does nothing.
func serveEmpty() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// hashRate is the ceiling for signing in: a process that only computes hashes of the stored kind, on all cores for some
// seconds. It prints the number per second.
func hashRate(stored, password, seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return err
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(stored, "$argon2id$v=19$m=%d,t=%d,p=%d$", &memory, &passes, &threads); err != nil {
		return err
	}
	var done atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	end := start.Add(time.Duration(n) * time.Second)
	for range runtime.NumCPU() {
		wait.Go(func() {
			for time.Now().Before(end) {
				argon2.IDKey([]byte(password), []byte("sixteen bytes..."), passes, memory, threads, 32)
				done.Add(1)
			}
		})
	}
	wait.Wait()
	fmt.Println(float64(done.Load()) / time.Since(start).Seconds())
	return nil
}

// measureHash runs hashRate in a separate process.
func measureHash(stored, password string, seconds int) (float64, error) {
	out, err := exec.Command(os.Args[0], "hash-rate", stored, password, strconv.Itoa(seconds)).Output()
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
