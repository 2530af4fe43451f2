package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Phone says what telephone a Baresip is.
type Phone struct {
	User, Password string
	Server         string   // host:port that it registers with
	Transport      string   // "udp" (default), "tcp" or "tls"
	SRTP           bool     // SDES, mandatory
	Codecs         []string // of baresip's names: "opus/48000/2", "G722/8000/1", "PCMA", "PCMU"; default PCMA
	Source         string   // WAV file at the codec's rate (8 kHz, 16 kHz, 48 kHz) that it says again and again; empty: no sound
	AnswerMode     string   // "auto" or "manual" (default)
	DTMF           string   // "rtpevent" (default) or "info"
	Expires        int      // seconds; default 3600
}

// Baresip is a running baresip, steered by its console. What it hears is written to WAV files.
type Baresip struct {
	*Process
	dir  string
	mu   sync.Mutex
	cons net.Conn
}

// ErrNoBaresip says what to install.
var ErrNoBaresip = errors.New("peer: baresip is missing: install the Debian packages baresip-core and baresip")

// StartBaresip starts a telephone with its files in dir and waits, as long as ctx allows, until it has registered. It ends when live does.
func StartBaresip(ctx, live context.Context, dir string, p Phone) (*Baresip, error) {
	if _, err := exec.LookPath("baresip"); err != nil {
		return nil, ErrNoBaresip
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if err := writeBaresip(dir, p, port); err != nil {
		return nil, err
	}
	proc, err := StartProcess(live, dir, []string{"HOME=" + dir}, "baresip", "-f", dir)
	if err != nil {
		return nil, err
	}
	b := &Baresip{Process: proc, dir: dir}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	err = await(ctx, "baresip's console", func() bool {
		b.cons, err = net.Dial("tcp", addr)
		return err == nil
	})
	if err == nil {
		go b.drain()
		err = b.Log().Wait(ctx, func(s string) bool { return strings.Contains(s, "200 OK") })
	}
	if err != nil {
		proc.Kill()
		return nil, err
	}
	return b, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("peer: free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func writeBaresip(dir string, p Phone, cons int) error {
	modules := []string{"g711", "g722", "opus", "sndfile", "cons", "srtp"}
	if p.Source != "" { // without a module for sources it sends nothing at all
		modules = append(modules, "aufile")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "module_path /usr/lib/baresip/modules\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "module %s.so\n", m)
	}
	b.WriteString("module_tmp account.so\nmodule_app menu.so\n")
	fmt.Fprintf(&b, "cons_listen 127.0.0.1:%d\nsip_listen 127.0.0.1:0\nsnd_path %s\n", cons, dir)
	b.WriteString("poll_method epoll\nrtp_tos 184\nrtcp_mux no\njitter_buffer_delay 1-5\nnet_interface 127.0.0.1\nmenu_bell no\n")
	if p.Source != "" {
		fmt.Fprintf(&b, "audio_source aufile,%s\n", p.Source)
	}
	if p.DTMF == "info" {
		b.WriteString("dtmf_mode info\n")
	}
	for name, text := range map[string]string{"config": b.String(), "accounts": account(p), "contacts": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("peer: baresip: %w", err)
		}
	}
	return nil
}

func account(p Phone) string {
	transport, mode, codecs, expires := p.Transport, p.AnswerMode, p.Codecs, p.Expires
	if transport == "" {
		transport = "udp"
	}
	if mode == "" {
		mode = "manual"
	}
	if len(codecs) == 0 {
		codecs = []string{"PCMA"}
	}
	if expires == 0 {
		expires = 3600
	}
	s := fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_pass=%s;answermode=%s;audio_codecs=%s;regint=%d;ptime=20",
		p.User, p.Server, transport, p.Password, mode, strings.Join(codecs, ","), expires)
	if p.SRTP {
		s += ";mediaenc=srtp-mand"
	}
	if p.DTMF == "info" {
		s += ";dtmfmode=info"
	}
	return s + "\n"
}

// drain reads what the console prints, so that it never blocks; it is in the log too.
func (b *Baresip) drain() {
	r := bufio.NewReader(b.cons)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = b.Log().Write([]byte("[console] " + line))
	}
}

func (b *Baresip) write(s string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.cons.Write([]byte(s)); err != nil {
		return fmt.Errorf("peer: baresip's console: %w", err)
	}
	return nil
}

// Command gives a long command: "dial 1000", "hangup", "accept", "hold", "resume", "transfer 1002", "mute".
func (b *Baresip) Command(s string) error { return b.write("/" + s + "\n") }

// Press presses and releases keys (0-9, *, #) in the call.
func (b *Baresip) Press(keys string, hold time.Duration) error {
	for _, k := range keys {
		if err := b.write(string(k)); err != nil {
			return err
		}
		time.Sleep(hold)
		if err := b.write("\x04"); err != nil {
			return err
		}
	}
	return nil
}

// Dial calls and waits until the call is established.
func (b *Baresip) Dial(ctx context.Context, number string) error {
	before := strings.Count(b.Log().String(), "Call established")
	if err := b.Command("dial " + number); err != nil {
		return err
	}
	return b.Log().Wait(ctx, func(s string) bool { return strings.Count(s, "Call established") > before })
}

// Heard lists the WAV files of what it heard, oldest first.
func (b *Baresip) Heard() []string {
	files, _ := filepath.Glob(filepath.Join(b.dir, "dump-*-dec.wav"))
	return files
}
