package telephone

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/desk"
	"github.com/guantong-net/guantong/fusion/voice/codec"
)

// Config says where the gateway listens and what it allows. The zero value of a field takes the default named.
type Config struct {
	UDP, TCP, TLS string          // listen addresses ("[::]:5060"); empty: not served
	TLSConfig     *tls.Config     // certificate of the server; needed with TLS
	Realm         string          // digest realm; default "guantong"
	Digest        []string        // algorithms asked for, in order: "MD5", "SHA-256"; default MD5 alone, see Account
	Advertise     netip.Addr      // the address written into Contact and SDP; default: the one that the peer is reached from
	RTPLow        uint16          // lowest RTP port, even; default 30000
	RTPHigh       uint16          // highest RTP port; default 30999
	OpusBitrate   int             // bit/s sent to telephones that take Opus; default 24000
	Codecs        []codec.ID      // what is taken, in our order of preference; default Opus, G722, PCMA, PCMU
	Site          fusion.Site     // completes local numbers; default 1
	Trunks        []Trunk         // other SIP servers
	Limits        Limits          // what strangers and telephones may use
	Timers        Timers          // how long things live
	DutyUnits     []fusion.Number // the duty telephones: their flows have a bucket of their own that nobody else draws from
}

// Trunk is another SIP server: an exchange, a trunked-radio switch, a push-to-talk server.
type Trunk struct {
	Name      string
	Hosts     []string       // host:port in order of preference
	Transport string         // "udp", "tcp" or "tls"; default "udp"
	Peers     []netip.Prefix // where its calls may come from; the addresses of Hosts are added
	Register  bool           // register outward, and keep it refreshed
	User      string         // user name for From, Contact and digest
	Password  string
	Domain    string            // host part of From and To; default: the host
	Expires   time.Duration     // asked for at registration; default 10 min
	Codecs    []codec.ID        // default: Config.Codecs
	Headers   map[string]string // added to each INVITE (the dialect's own)
	MaxCalls  int               // concurrent calls; default 30
}

// Limits bound what the outside can use of us.
type Limits struct {
	StrangerRate    float64 // datagrams or messages per second from one unknown address; default 20
	StrangerBurst   int     // default 100
	StrangersRate   float64 // from all unknown addresses together; default 400
	StrangersBurst  int     // default 400
	PhoneRate       float64 // messages per second from one registered flow or trunk; default 50
	PhoneBurst      int     // default 200
	Sources         int     // addresses remembered; default 65536
	Conns           int     // TCP and TLS connections in all; default 1024
	ConnsPerAddr    int     // from one unknown address; default 16
	DutyConns       int     // connections kept free for the addresses of the duty telephones; default 16
	MessageBytes    int     // longest SIP message; default 16384
	Calls           int     // calls in all; default 400
	DutyCalls       int     // calls kept free for duty telephones; default 4
	CallsPerAccount int     // default 4
	Contacts        int     // contacts of one extension; default 5
	Registrations   int     // extensions registered at once; default 10000
	AuthFailures    int     // failures of one (address, user) before answers are delayed; default 5
}

// Timers bound how long things live.
type Timers struct {
	NonceLife      time.Duration // default 5 min
	MinExpires     time.Duration // shortest registration; default 60 s
	MaxExpires     time.Duration // longest; default 1 h
	Setup          time.Duration // a call that is not answered; default 3 min
	PeerSilence    time.Duration // no RTP, RTCP or SIP: then it is asked by OPTIONS; default 30 s
	PingTimeout    time.Duration // for the answer to it; two missed end the call; default 10 s
	SessionExpires time.Duration // RFC 4028; default 30 min
	MinSE          time.Duration // RFC 4028; default 90 s
	KeepAlive      time.Duration // RTP sent in silence, RFC 6263; default 15 s
	StrangerConn   time.Duration // a connection that does not log in; default 30 s
}

// Account is what the gateway knows of an extension.
type Account struct {
	Unit      fusion.Number
	User      string // the SIP user name
	Name      string
	HA1MD5    string // hex of MD5(user:realm:password); empty: SHA-256 is asked of this extension
	HA1SHA256 string // hex of SHA-256(user:realm:password); empty: not for SHA-256
	Class     string // class of service
	VAD       bool   // voice activation presses for it
}

// Accounts finds extensions. It is called for each request and must be quick.
type Accounts interface {
	ByUser(user string) (Account, bool)
	ByUnit(unit fusion.Number) (Account, bool)
}

// Deps is what the gateway is given.
type Deps struct {
	Accounts Accounts
	Incoming desk.Incoming
	Events   desk.LineEvents
	Log      *slog.Logger
	Now      func() time.Time                                             // default time.Now
	Rand     io.Reader                                                    // cryptographic randomness; nil is an error
	Resolve  func(ctx context.Context, host string) ([]netip.Addr, error) // for trunks; nil: addresses only

	// Told is called with all contacts that an extension has here now, whenever they change, in order; it must not block, nor call the
	// gateway. Elsewhere gives those that it has at other nodes. Both may be nil.
	Told      func(unit fusion.Number, contacts []Contact)
	Elsewhere func(unit fusion.Number) []Contact
}

// Contact is where an extension is registered, as the nodes of a site tell one another.
type Contact struct {
	Key       string         `json:"key"`       // tells telephones apart, wherever they register
	URI       string         `json:"uri"`       // as the telephone gave it
	Transport string         `json:"transport"` // UDP, TCP, TLS
	Flow      netip.AddrPort `json:"flow"`      // where it registered from
	Expires   time.Time      `json:"expires"`
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// withDefaults fills in and checks.
func (c Config) withDefaults() (Config, error) {
	def(&c.Realm, "guantong")
	def(&c.RTPLow, 30000)
	def(&c.RTPHigh, 30999)
	def(&c.OpusBitrate, 24000)
	def(&c.Site, 1)
	if len(c.Digest) == 0 {
		c.Digest = []string{"MD5"}
	}
	if len(c.Codecs) == 0 {
		c.Codecs = []codec.ID{codec.Opus, codec.G722, codec.PCMA, codec.PCMU}
	}
	c.Limits.defaults()
	c.Timers.defaults()
	if c.UDP == "" && c.TCP == "" && c.TLS == "" {
		return c, fmt.Errorf("telephone: no listen address")
	}
	if c.TLS != "" && c.TLSConfig == nil {
		return c, fmt.Errorf("telephone: TLS needs a certificate")
	}
	if c.RTPLow%2 != 0 || c.RTPHigh <= c.RTPLow {
		return c, fmt.Errorf("telephone: RTP ports %d-%d: from an even port to a higher one", c.RTPLow, c.RTPHigh)
	}
	for i := range c.Trunks {
		if err := c.Trunks[i].defaults(c.Codecs); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (t *Trunk) defaults(codecs []codec.ID) error {
	if t.Name == "" || len(t.Hosts) == 0 {
		return fmt.Errorf("telephone: a trunk needs a name and a host")
	}
	def(&t.Transport, "udp")
	def(&t.Expires, 10*time.Minute)
	def(&t.MaxCalls, 30)
	if len(t.Codecs) == 0 {
		t.Codecs = codecs
	}
	switch t.Transport {
	case "udp", "tcp", "tls":
		return nil
	}
	return fmt.Errorf("telephone: trunk %s: transport %q: one of udp, tcp, tls", t.Name, t.Transport)
}

func (l *Limits) defaults() {
	def(&l.StrangerRate, 20)
	def(&l.StrangerBurst, 100)
	def(&l.StrangersRate, 400)
	def(&l.StrangersBurst, 400)
	def(&l.PhoneRate, 50)
	def(&l.PhoneBurst, 200)
	def(&l.Sources, 65536)
	def(&l.Conns, 1024)
	def(&l.ConnsPerAddr, 16)
	def(&l.DutyConns, 16)
	def(&l.MessageBytes, 16384)
	def(&l.Calls, 400)
	def(&l.DutyCalls, 4)
	def(&l.CallsPerAccount, 4)
	def(&l.Contacts, 5)
	def(&l.Registrations, 10000)
	def(&l.AuthFailures, 5)
}

func (t *Timers) defaults() {
	def(&t.NonceLife, 5*time.Minute)
	def(&t.MinExpires, time.Minute)
	def(&t.MaxExpires, time.Hour)
	def(&t.Setup, 3*time.Minute)
	def(&t.PeerSilence, 30*time.Second)
	def(&t.PingTimeout, 10*time.Second)
	def(&t.SessionExpires, 30*time.Minute)
	def(&t.MinSE, 90*time.Second)
	def(&t.KeepAlive, 15*time.Second)
	def(&t.StrangerConn, 30*time.Second)
}
