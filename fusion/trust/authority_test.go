package trust

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func issue(t *testing.T, a *Authority, now time.Time, names ...string) tls.Certificate {
	t.Helper()
	chain, key, err := a.Issue(names, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACertificateVerifiesAgainstItsAuthorityOnly(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority("site 1", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := NewAuthority("site 2", rand.Reader, now)
	c := issue(t, a, now, "localhost", "127.0.0.1", "::1")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.Certificate())
	leaf, _ := x509.ParseCertificate(c.Certificate[0])
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	switch {
	case !a.Fits(c, []string{"localhost"}, now):
		t.Error("its own certificate does not fit")
	case a.Fits(c, []string{"elsewhere"}, now):
		t.Error("fits a name that it does not have")
	case other.Fits(c, []string{"localhost"}, now):
		t.Error("fits another authority")
	case a.Fits(c, []string{"localhost"}, now.Add(leafLife-time.Hour)):
		t.Error("fits when it is about to end")
	}
}

func TestAnAuthorityIsReadBack(t *testing.T) {
	a, _ := NewAuthority("site 1", rand.Reader, time.Now())
	key, err := a.Key()
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadAuthority(a.Certificate(), key, rand.Reader)
	if err != nil || b.Fingerprint() != a.Fingerprint() {
		t.Fatal(err)
	}
	other, _ := NewAuthority("site 2", rand.Reader, time.Now())
	if _, err := LoadAuthority(other.Certificate(), key, rand.Reader); err == nil {
		t.Error("a key of another authority was taken")
	}
	if _, err := LoadAuthority([]byte("x"), key, rand.Reader); err == nil {
		t.Error("garbage was taken")
	}
}
