package trust

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"testing"
	"time"
)

func TestANodesCertificateSaysWhoItIs(t *testing.T) {
	now := time.Now()
	a, err := NewAuthority("site 1", rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	key, request, err := NewNodeKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	name := NodeName{Site: 1, Incarnation: 1<<32 | 77, Node: "node-1"}
	chain, err := a.IssueNode(request, name, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	other := name
	other.Node = "node-2"
	if !a.FitsNode(c, name, now) || a.FitsNode(c, other, now) {
		t.Error("the certificate is not the node's, or another's too")
	}
	renewed, err := RequestFor(key, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, err = a.IssueNode(renewed, name, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := x509.ParseCertificate(c.Certificate[0])
	two, _ := x509.ParseCertificate(again.Certificate[0])
	if KeyPin(one) != KeyPin(two) {
		t.Error("the pin changes with a renewal")
	}
	for _, id := range []string{"", "a b", "../x", "节点", "a/b"} {
		if _, err := a.IssueNode(request, NodeName{Site: 1, Node: id}, now); err == nil {
			t.Errorf("node ID %q was taken", id)
		}
	}
	if _, err := a.IssueNode([]byte("x"), name, now); err == nil {
		t.Error("garbage was taken for a request")
	}
}

func FuzzNodeNameOf(f *testing.F) {
	f.Add("guantong://site/1/incarnation/0/node/node-1")
	f.Add("guantong://site/1677/incarnation/0/node/node-1")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		n, err := NodeNameOf(&x509.Certificate{URIs: []*url.URL{u}})
		if err == nil && n.URI().String() != u.String() {
			t.Errorf("%q was read as %+v", text, n)
		}
	})
}
