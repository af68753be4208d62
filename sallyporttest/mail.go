package sallyporttest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"
)

// ReceivedMail is an e-mail that a MailServer accepted.
type ReceivedMail struct {
	Hello    string // the client's name in EHLO
	From, To string // envelope addresses
	UTF8     bool   // the client requested SMTPUTF8
	User     string // the authenticated user
	TLS      bool   // the connection was encrypted
	Raw      []byte // header and body as received, without dot-stuffing

	Header  mail.Header
	Subject string // decoded
	Text    string // decoded, with \n as line end
	HTML    string // the same; empty if there is no HTML part
}

func (m *ReceivedMail) parse() error {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return err
	}
	m.Header = msg.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if kind != "multipart/alternative" {
		if msg.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			return errors.New("a single part must be quoted-printable")
		}
		return m.parsePart(kind, params, quotedprintable.NewReader(msg.Body))
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := parts.NextPart() // decodes quoted-printable
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		if err := m.parsePart(kind, params, part); err != nil {
			return err
		}
	}
}

func (m *ReceivedMail) parsePart(kind string, params map[string]string, r io.Reader) error {
	if !strings.EqualFold(params["charset"], "utf-8") {
		return fmt.Errorf("%s in charset %q", kind, params["charset"])
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	content := strings.ReplaceAll(string(body), "\r\n", "\n")
	switch kind {
	case "text/plain":
		m.Text = content
	case "text/html":
		m.HTML = content
	default:
		return fmt.Errorf("unexpected part %s", kind)
	}
	return nil
}

// loopbackCertificate is a self-signed certificate for 127.0.0.1 and 0.0.0.0, without a DNS name.
func loopbackCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "mail.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4zero},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}
