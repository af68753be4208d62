package snippet_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-2fa/sallyport/internal/snippet"
)

func example() snippet.Data {
	return snippet.Data{
		Workspace: "https://login.example.com", Server: "127.0.0.1:8080", Hosts: []string{"https://wiki.example.com"}, App: "127.0.0.1:3000",
	}
}

// TestGuide: the guide shows each configuration as it is filled in. UPDATE=1 writes them to the file.
func TestGuide(t *testing.T) {
	const file = "../../docs/guides/proxies.md"
	guide, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)(<!-- (\\S+) -->\n```\\w+\n)(.*?)```\n")
	texts := map[string]string{}
	for _, kind := range snippet.Kinds() {
		files, err := snippet.Files(kind, example())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			texts[path.Base(f.Name)] = f.Text
		}
	}
	shown := 0
	want := block.ReplaceAllStringFunc(string(guide), func(s string) string {
		m := block.FindStringSubmatch(s)
		shown++
		return m[1] + texts[m[2]] + "```\n"
	})
	if shown != len(texts) {
		t.Errorf("%s shows %d files of %d", file, shown, len(texts))
	}
	if os.Getenv("UPDATE") == "1" {
		err = os.WriteFile(file, []byte(want), 0o644)
	} else if want != string(guide) {
		t.Errorf("%s shows other configurations. Run this test with UPDATE=1", file)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestFill(t *testing.T) {
	if !slices.Equal(snippet.Kinds(), []string{"nginx", "caddy", "traefik", "haproxy", "envoy", "apache"}) {
		t.Errorf("the kinds are %v", snippet.Kinds())
	}
	for _, kind := range snippet.Kinds() {
		d := example()
		d.Hosts = append(d.Hosts, "http://intranet.localhost:8081", "https://[2001:db8::1]:8443", "https://xn--bcher-kva.example")
		d.App, d.Server = "[::1]:3000", "sallyport_1:8080"
		text, err := snippet.Fill(kind, d)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, want := range []string{"wiki.example.com", "intranet.localhost", "8081", "[2001:db8::1]", "xn--bcher-kva.example", "3000", "sallyport_1", d.Workspace} {
			if kind == "traefik" && want == "8081" {
				continue // its entry points choose the ports
			}
			if !strings.Contains(text, want) {
				t.Errorf("%s does not mention %s:\n%s", kind, want, text)
			}
		}
		if strings.Contains(text, "<no value>") || strings.Contains(text, "{{") {
			t.Errorf("%s is not filled in:\n%s", kind, text)
		}
	}
	text, err := snippet.Fill("haproxy", example())
	if err != nil || !strings.HasPrefix(text, "# File /etc/haproxy/haproxy.cfg:\n") || !strings.Contains(text, "\n-- File /etc/haproxy/sallyport-haproxy.lua:\n") {
		t.Errorf("two files are\n%s\n%v", text, err)
	}
	if _, err := snippet.Fill("squid", example()); err == nil {
		t.Error("an unknown kind is filled in")
	}
}

// TestNothingBreaksOut: no value can end the line, the string or the block that it is in.
func TestNothingBreaksOut(t *testing.T) {
	bad := []string{
		"", " ", "x y", "a;b", "a\nb", "a{b", "a}b", `a"b`, "a'b", "a`b", "a$b", "a#b", `a\b`, "a(b)", "a[b", "a,b", "a%b", "a/b", "a@b", "A.example", "ä.example", "-a", "a-", ".a", "a..b",
		"a\x00b", "[::1", "::1", "[::1%eth0]", "[1]", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "a",
	}
	for _, host := range bad {
		for name, change := range map[string]func(d *snippet.Data){
			"workspace":        func(d *snippet.Data) { d.Workspace = "https://" + host },
			"host":             func(d *snippet.Data) { d.Hosts = []string{"https://" + host} },
			"second host":      func(d *snippet.Data) { d.Hosts = append(d.Hosts, "https://"+host+":8443") },
			"server":           func(d *snippet.Data) { d.Server = host + ":8080" },
			"app":              func(d *snippet.Data) { d.App = host + ":3000" },
			"port of a host":   func(d *snippet.Data) { d.Hosts = []string{"https://wiki.example.com:" + host} },
			"port of the app":  func(d *snippet.Data) { d.App = "127.0.0.1:" + host },
			"scheme":           func(d *snippet.Data) { d.Hosts = []string{host + "://wiki.example.com"} },
			"listen":           func(d *snippet.Data) { d.Listen = host + "x" },
			"folder":           func(d *snippet.Data) { d.Folder = "/etc/" + host + "/\n" },
			"certificate":      func(d *snippet.Data) { d.Certificate = "/etc/x y" + host },
			"key":              func(d *snippet.Data) { d.Key = "etc/" + host },
			"path of a host":   func(d *snippet.Data) { d.Hosts = []string{"https://wiki.example.com/" + host} },
			"port 0":           func(d *snippet.Data) { d.App = "127.0.0.1:0" },
			"port 65536":       func(d *snippet.Data) { d.App = "127.0.0.1:65536" },
			"no port":          func(d *snippet.Data) { d.Server = "127.0.0.1" },
			"the default port": func(d *snippet.Data) { d.Hosts = []string{"https://wiki.example.com:443"} },
			"no hosts":         func(d *snippet.Data) { d.Hosts = nil },
		} {
			d := example()
			change(&d)
			for _, kind := range snippet.Kinds() {
				if text, err := snippet.Fill(kind, d); err == nil {
					t.Fatalf("%s %q is filled in:\n%s", name, host, text)
				}
			}
		}
	}
}
