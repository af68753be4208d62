package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a listening process: the product or a ceiling.
type process struct {
	cmd  *exec.Cmd
	host string
}

// startServer starts the product on an existing database, and returns the time until its first response.
func startServer(binary, host, data, database string) (*process, time.Duration, error) {
	args := []string{"serve", "--listen", strings.Replace(host, "localhost", "127.0.0.1", 1), "--url", "http://" + host, "--data", data, "--trusted-proxies", "127.0.0.0/8"}
	if strings.HasPrefix(database, "postgres:") {
		args = append(args, "--database", database)
	}
	cmd := exec.Command(binary, args...)
	log, err := os.OpenFile(filepath.Join(data, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer log.Close()
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	p := &process{cmd: cmd, host: host}
	for time.Since(start) < 30*time.Second {
		c, err := dial(host)
		if err != nil {
			time.Sleep(time.Millisecond / 2)
			continue
		}
		a, err := c.get("/session", "")
		took := time.Since(start)
		c.conn.Close()
		if err != nil {
			return nil, 0, errors.Join(err, p.stop())
		}
		if a.status != 401 {
			return nil, 0, errors.Join(fmt.Errorf("the first response is %d", a.status), p.stop())
		}
		return p, took, nil
	}
	told, err := os.ReadFile(log.Name())
	return nil, 0, errors.Join(fmt.Errorf("the server does not respond: %s", told), err, p.stop())
}

// startEmpty starts the ceiling for requests.
func startEmpty() (*process, error) {
	cmd := exec.Command(os.Args[0], "empty")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return &process{cmd: cmd, host: strings.TrimSpace(line)}, err
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return nil // a ceiling is ended by the signal
	}
	return err
}

// megabytes returns the resident memory of the process.
func (p *process) megabytes() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// freeHost returns an unused loopback address with a host name for browsers.
func freeHost() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, errors.Join(err, l.Close())
}
