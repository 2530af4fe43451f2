package telephone

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/testbed/peer"
)

// site is what the nodes of a test tell one another.
type siteBook struct {
	mu   sync.Mutex
	said map[string]map[fusion.Number][]Contact
}

func (b *siteBook) told(node string) func(fusion.Number, []Contact) {
	return func(unit fusion.Number, list []Contact) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.said[node] == nil {
			b.said[node] = make(map[fusion.Number][]Contact)
		}
		b.said[node][unit] = list
	}
}

func (b *siteBook) elsewhere(self string) func(fusion.Number) []Contact {
	return func(unit fusion.Number) (list []Contact) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for node, units := range b.said {
			if node != self {
				list = append(list, units[unit]...)
			}
		}
		return list
	}
}

func TestATelephoneOfAnotherNodeIsCalledFromHere(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			site := &siteBook{said: make(map[string]map[fusion.Number][]Contact)}
			here, there := newBoard(t), newBoard(t)
			accounts := book{extension(11001, "1001")}
			cfg := Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"}
			a := serveWith(t, cfg, Deps{Accounts: accounts, Incoming: here, Events: here, Told: site.told("a"), Elsewhere: site.elsewhere("a")})
			b := serveWith(t, cfg, Deps{Accounts: accounts, Incoming: there, Events: there, Told: site.told("b"), Elsewhere: site.elsewhere("b")})
			phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: b.Addr(transport).String(), Transport: transport, Codecs: []string{"PCMA"}, Source: toneFile(t, "8000"), AnswerMode: "auto"})
			if !a.Registered(11001) || !b.Registered(11001) || a.Registrations() != 0 {
				t.Fatal("not known at both nodes")
			}
			line, err := a.Dial(t.Context(), desk.Target{Unit: 11001, From: "2000"})
			if err != nil {
				t.Fatal(err)
			}
			here.wait("an answer", here.has("answered"))
			line.Hang(desk.Normal)
			here.wait("the end", here.has("ended normal"))
		})
	}
}

func TestATelephoneAtTwoNodesIsCalledOnce(t *testing.T) {
	now := time.Unix(1e9, 0)
	flow := netip.MustParseAddrPort("10.0.0.7:5060")
	s := serveWith(t, Config{UDP: "127.0.0.1:0"}, Deps{Accounts: book{}, Incoming: newBoard(t), Events: newBoard(t), Now: func() time.Time { return now }, Elsewhere: func(fusion.Number) []Contact {
		one := Contact{Key: "<urn:uuid:1>/1", URI: "sip:1001@10.0.0.7:5060", Transport: "UDP", Flow: flow, Expires: now.Add(time.Hour)}
		two, old, tls, nat, bad := one, one, one, one, one
		two.Key, two.URI = "<urn:uuid:1>/2", "sip:1001@10.0.0.7:5062" // the same instance by its second flow
		old.Key, old.URI, old.Expires = "x", "sip:1001@10.0.0.7:5070", now
		tls.Key, tls.URI, tls.Transport = "y", "sip:1001@10.0.0.7:5071", "TLS"
		nat.Key, nat.URI = "z", "sip:1001@192.168.1.2:5060"
		bad.Key, bad.URI = "w", "nonsense"
		return []Contact{one, two, old, tls, nat, bad}
	}})
	if got := s.contacts(11001); len(got) != 1 || got[0].patience == 0 {
		t.Errorf("%d contacts: %+v", len(got), got)
	}
}

func FuzzForeignContact(f *testing.F) {
	f.Add("sip:1001@10.0.0.7:5060", "UDP", "<urn:uuid:1>/1")
	s := &Server{}
	f.Fuzz(func(t *testing.T, uri, transport, key string) {
		if b, ok := s.foreign(1, Contact{Key: key, URI: uri, Transport: transport, Flow: netip.MustParseAddrPort("10.0.0.7:5060")}); ok && !b.flow.IsValid() {
			t.Error(b)
		}
	})
}
