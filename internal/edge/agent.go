package edge

import (
	"strings"
	"sync"

	"github.com/mileusna/useragent"
)

// Agents returns names of browsers and caches them, because parsing a User-Agent costs more than the rest of a request.
type Agents struct {
	mu    sync.RWMutex
	names map[string]string
}

const (
	maxAgents = 1000
	maxAgent  = 512 // bytes of a User-Agent that are parsed
)

// Name returns the browser and the operating system in words, such as "Firefox on Windows".
func (a *Agents) Name(header string) string {
	if len(header) > maxAgent {
		header = header[:maxAgent]
	}
	a.mu.RLock()
	name, ok := a.names[header]
	a.mu.RUnlock()
	if ok {
		return name
	}
	name = agentName(useragent.Parse(header))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.names == nil || len(a.names) >= maxAgents {
		a.names = map[string]string{}
	}
	a.names[header] = name
	return name
}

// agentName returns "" for anything that is not a browser people use.
func agentName(ua useragent.UserAgent) string {
	var parts []string
	for _, part := range []string{ua.Name, ua.OS} {
		if known[part] {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " on ")
}

// known are the only names that may appear, because a client can send any User-Agent, and people get to see it.
var known = map[string]bool{
	useragent.Chrome: true, useragent.Firefox: true, useragent.Safari: true, useragent.Edge: true, useragent.Opera: true,
	useragent.HeadlessChrome: true, useragent.Vivaldi: true,
	useragent.Windows: true, useragent.MacOS: true, useragent.Linux: true, useragent.Android: true, useragent.IOS: true,
	useragent.ChromeOS: true,
}
