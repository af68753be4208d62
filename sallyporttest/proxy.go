package sallyporttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ProxyFolder returns a new folder for the files of a proxy, which runs without privileges. It is removed when the test ends.
func ProxyFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sallyport-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a server that is ending may still write to it
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// FreePort returns a port of loopback on which nothing listens.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// ProxyCertificate creates a certificate for a host that signs itself, and writes it and its key to one file in the folder.
func ProxyCertificate(t testing.TB, dir, host string) (path string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	path = filepath.Join(dir, "certificate.pem")
	if err := os.WriteFile(path, text, 0o644); err != nil { // the proxy is another user
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	return path, roots
}

// StartNginx starts nginx with server blocks that listen on 127.0.0.1, until the test ends.
func StartNginx(t testing.TB, servers string) {
	t.Helper()
	dir := ProxyFolder(t)
	conf := "daemon off;\nworker_processes 1;\nerror_log stderr warn;\npid " + dir + "/pid;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	path := writeConfig(t, dir, "nginx.conf", conf+servers+"\n}\n")
	StartProxy(t, dir, servers, "nginx", "-e", "stderr", "-p", dir, "-c", path)
}

// StartHAProxy starts HAProxy with a configuration that binds to 127.0.0.1, until the test ends.
func StartHAProxy(t testing.TB, conf string) {
	t.Helper()
	dir := ProxyFolder(t)
	StartProxy(t, dir, conf, "haproxy", "-db", "-f", writeConfig(t, dir, "haproxy.cfg", conf))
}

// StartApache starts Apache with virtual hosts on 127.0.0.1, until the test ends.
func StartApache(t testing.TB, hosts string) {
	t.Helper()
	dir := ProxyFolder(t)
	var conf strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "headers", "lua", "proxy", "proxy_http", "setenvif", "ssl"} {
		fmt.Fprintf(&conf, "LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	fmt.Fprintf(&conf, "ServerRoot %s\nServerName localhost\nPidFile %[1]s/pid\nDefaultRuntimeDir %[1]s\nMutex pthread\nErrorLog %[1]s/said\nStartServers 1\n", dir)
	StartProxy(t, dir, hosts, "apache2", "-D", "FOREGROUND", "-f", writeConfig(t, dir, "apache.conf", conf.String()+hosts))
}

func writeConfig(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var listening = regexp.MustCompile(`(?mi)^\s*(?:listen|bind) (127\.0\.0\.1:\d+)`)

// StartProxy starts a program, as nobody if the test runs as root, and waits until it listens at the first address in
// 127.0.0.1 to which its configuration binds. It ends with the test, or with the process. What it says is logged.
func StartProxy(t testing.TB, dir, conf, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v; run scripts/prepare", err)
	}
	at := listening.FindStringSubmatch(conf)
	if at == nil {
		t.Fatalf("%s listens nowhere on 127.0.0.1", program)
	}
	attr, err := asUser("nobody", dir)
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	if err := said.Chmod(0o666); err != nil { // Apache opens it itself
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = attr, dir, said, said
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if err := startTiedToProcess(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
			t.Logf("%s says:\n%s", program, text)
		}
	})
	if !untilItListens(at[1]) {
		text, _ := os.ReadFile(said.Name()) // best effort: the test fails anyway
		t.Fatalf("%s does not listen at %s:\n%s", program, at[1], text)
	}
}

func untilItListens(address string) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return true
		}
		time.Sleep(10 * time.Millisecond) // another process: nothing tells us
	}
	return false
}
