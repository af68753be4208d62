package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// clients is the number of simultaneous browsers.
const clients = 32

// client is one persistent connection. It writes requests by hand, because the driver shares the cores with the product,
// and its cost lowers both the figure and its ceiling.
type client struct {
	host string
	conn net.Conn
	in   *bufio.Reader
	out  []byte

	named string // prefix of the server's cookie names
	reads bool   // it keeps the bodies of responses
}

// cookiesNamed returns the prefix of the cookie names of a server at host.
func cookiesNamed(host string) string {
	_, port, _ := strings.Cut(host, ":")
	return "sallyport-" + port + "-"
}

func dial(host string) (*client, error) {
	conn, err := net.Dial("tcp", strings.Replace(host, "localhost", "127.0.0.1", 1))
	if err != nil {
		return nil, err
	}
	return &client{host: host, conn: conn, in: bufio.NewReaderSize(conn, 16<<10), named: cookiesNamed(host)}, nil
}

// answer is the needed part of a response.
type answer struct {
	status   int
	location string
	cookies  map[string]string
	body     []byte
}

var (
	headerLength   = []byte("Content-Length: ")
	headerChunked  = []byte("Transfer-Encoding: chunked")
	headerCookie   = []byte("Set-Cookie: ")
	headerLocation = []byte("Location: ")
)

func (c *client) get(path, cookies string) (answer, error) { return c.do("GET", path, cookies, "") }

func (c *client) post(path, cookies, form string) (answer, error) {
	return c.do("POST", path, cookies, form)
}

func (c *client) do(method, path, cookies, body string) (answer, error) {
	b := c.out[:0]
	b = append(append(append(append(b, method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(b, c.host...)
	if cookies != "" {
		b = append(b, "\r\nCookie: "...)
		for i, rest, more := 0, cookies, true; more; i++ {
			var pair string
			if pair, rest, more = strings.Cut(rest, "; "); i > 0 {
				b = append(b, "; "...)
			}
			b = append(append(b, c.named...), pair...)
		}
	}
	if method == "POST" {
		b = append(append(b, "\r\nOrigin: http://"...), c.host...)
		b = append(b, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(append(b, "\r\n\r\n"...), body...)
	c.out = b
	if _, err := c.conn.Write(b); err != nil {
		return answer{}, err
	}
	return c.read()
}

func (c *client) read() (answer, error) {
	var a answer
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return a, err
	}
	if len(line) < 12 {
		return a, errors.New("no status line")
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return a, err
	}
	length, chunked := 0, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return a, err
		}
		switch {
		case len(line) <= 2:
			if c.reads && !chunked {
				a.body = make([]byte, length)
				_, err = io.ReadFull(c.in, a.body)
				return a, err
			}
			return a, c.skip(length, chunked)
		case bytes.HasPrefix(line, headerLength):
			length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(headerLength):])))
		case bytes.HasPrefix(line, headerChunked):
			chunked = true
		case bytes.HasPrefix(line, headerLocation):
			a.location = string(bytes.TrimSpace(line[len(headerLocation):]))
		case bytes.HasPrefix(line, headerCookie):
			a.keep(strings.TrimPrefix(string(line[len(headerCookie):]), c.named))
		}
		if err != nil {
			return a, err
		}
	}
}

func (a *answer) keep(cookie string) {
	pair, _, _ := strings.Cut(cookie, ";")
	name, value, _ := strings.Cut(pair, "=")
	if a.cookies == nil {
		a.cookies = map[string]string{}
	}
	a.cookies[name] = value
}

func (c *client) skip(length int, chunked bool) error {
	if !chunked {
		_, err := c.in.Discard(length)
		return err
	}
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c.in, n+2); err != nil || n == 0 {
			return err
		}
	}
}

// rate runs do on all clients at once, for the given time or until do has nothing left, and returns the number of calls
// per second. do gets the number of its call, counted from first over all clients, and reports whether it did anything.
func rate(host string, first, limit int, long time.Duration, do func(c *client, i int) error) (perSecond float64, done int, err error) {
	var next, finished atomic.Int64
	next.Store(int64(first))
	var failed atomic.Value
	var wait sync.WaitGroup
	start := time.Now()
	end := start.Add(long)
	for range clients {
		wait.Add(1)
		go func() {
			defer wait.Done()
			c, err := dial(host)
			if err != nil {
				failed.Store(err)
				return
			}
			defer c.conn.Close()
			for time.Now().Before(end) && failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= limit {
					return
				}
				if err := do(c, i); err != nil {
					failed.CompareAndSwap(nil, fmt.Errorf("try %d: %w", i, err))
					return
				}
				finished.Add(1)
			}
		}()
	}
	wait.Wait()
	if err, ok := failed.Load().(error); ok {
		return 0, 0, err
	}
	return float64(finished.Load()) / time.Since(start).Seconds(), int(finished.Load()), nil
}
