package telephone

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/peer"
)

const floodScenario = `<?xml version="1.0" encoding="UTF-8"?>
<scenario name="flood">
<send><![CDATA[
%s sip:2000@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
Max-Forwards: 70
From: <sip:1002@[remote_ip]>;tag=[call_number]
To: <sip:1002@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 %s
Contact: <sip:1002@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
<recv response="401"></recv>
</scenario>`

// TestAFloodDoesNotKeepAPhoneOut floods with REGISTER, INVITE and rubbish while a registered telephone calls.
func TestAFloodDoesNotKeepAPhoneOut(t *testing.T) {
	b := newBoard(t)
	s := serve(t, Config{UDP: "127.0.0.1:0", DutyUnits: []fusion.Number{11001}}, book{extension(11001, "1001"), extension(11002, "1002")}, b, b)
	duty := phone(t, peer.Phone{User: "1001", Password: "pw-1001", Server: s.Addr("udp").String(), Source: toneFile(t, "8000")})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	goroutines := runtime.NumGoroutine()
	var floods []*peer.Process
	for _, method := range []string{"REGISTER", "INVITE"} {
		flood, err := peer.Sipp{Target: s.Addr("udp").String(), Rate: 1000, Calls: 20000}.Start(ctx, t.TempDir(), fmt.Sprintf(floodScenario, method, method))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(flood.Kill)
		floods = append(floods, flood)
	}
	go rubbish(ctx, t, s.Addr("udp").String())
	deadline := time.After(10 * time.Second)
	for s.counters.Limited.Load() < 4000 {
		select {
		case <-deadline:
			t.Fatalf("the flood has not begun: %d limited, %d challenged", s.counters.Limited.Load(), s.counters.Challenged.Load())
		case <-time.After(20 * time.Millisecond):
		}
	}
	start := time.Now()
	if err := duty.Dial(ctx, "2000"); err != nil {
		t.Fatal(err)
	}
	t.Logf("call established in %v under flood; %d limited, %d challenged, %d malformed", time.Since(start),
		s.counters.Limited.Load(), s.counters.Challenged.Load(), s.counters.Malformed.Load())
	for _, f := range floods {
		select {
		case <-f.Done():
			t.Fatalf("sipp ended: %s", f.Log().Tail(500))
		default:
		}
	}
	b.wait("seat", b.has("seated"))
	if err := duty.Press("*", 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	b.wait("a request under flood", b.has("request"))
	if n := s.ua.TransportLayer().Pool("udp").Size(); n > 10 {
		t.Errorf("the stack remembers %d sources", n)
	}
	if n := runtime.NumGoroutine(); n > goroutines+60 {
		t.Errorf("%d goroutines under flood, %d before", n, goroutines)
	}
}

func rubbish(ctx context.Context, t *testing.T, addr string) {
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = c.Close() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = c.Write([]byte([]string{
				"INVITE sip:x SIP/2.0\r\n\r\n", "\x00\x01\x02", "REGISTER sip:a SIP/2.0\r\nVia: \r\nFrom: <\r\nContent-Length: 99999999\r\n\r\n",
				"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n",
			}[i%4]))
		}
	}
}

// TestAStrangerIsAnsweredWithoutMemory: a challenge is all that an unknown source gets, and the stack does not learn of it.
func TestAStrangerIsAnsweredWithoutMemory(t *testing.T) {
	b := newBoard(t)
	s := serve(t, Config{UDP: "127.0.0.1:0"}, book{extension(11001, "1001")}, b, b)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	p, err := peer.Sipp{Target: s.Addr("udp").String(), User: "1001", AuthUser: "1001", Password: "pw-1001"}.Start(ctx, dir, registerScenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("sipp: %v: %s", err, p.Log().Tail(2000))
	}
	if !s.Registered(11001) {
		t.Fatal("sipp's digest did not register the extension")
	}
	if s.counters.Challenged.Load() != 1 {
		t.Fatalf("%d challenged by the screen", s.counters.Challenged.Load())
	}
}

const registerScenario = `<?xml version="1.0" encoding="UTF-8"?>
<scenario name="register">
<send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:[service]@[remote_ip]>;tag=[call_number]
To: <sip:[service]@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:[service]@[local_ip]:[local_port]>
Expires: 120
Content-Length: 0

]]></send>
<recv response="401" auth="true"></recv>
<send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:[service]@[remote_ip]>;tag=[call_number]
To: <sip:[service]@[remote_ip]>
Call-ID: [call_id]
CSeq: 2 REGISTER
Contact: <sip:[service]@[local_ip]:[local_port]>
Expires: 120
[authentication]
Content-Length: 0

]]></send>
<recv response="200"></recv>
</scenario>`
