package peer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Server is a guantong process on loopback with its data in a folder of its own. It can be killed and started again on the same data.
type Server struct {
	*Process
	HTTP    string            // address of the API and the console
	SIP     string            // address of the registrar, UDP and TCP
	Profile string            // loopback address of /debug/pprof
	Trust   *x509.Certificate // what it shows
	User    string            // the first administrator
	Pass    string
	Phones  []Account // the extensions that the first start made
	StartMS float64   // from exec to the first 200 of /readyz

	c      ServerConfig
	media  string
	rtpLow int
}

// ServerConfig says where a server runs.
type ServerConfig struct {
	Binary string
	Dir    string   // of its configuration
	Data   string   // which may be on another disk
	Host   string   // its address [127.0.0.1]
	Within []string // the command that runs it in a place of its own, such as a network namespace
	More   string   // further lines of its configuration
}

// Account is a telephone's account as the first start prints it.
type Account struct{ User, Password string }

// BuildServer builds the guantong command of this module into dir and gives its path. It runs once for a drill, not for each server.
func BuildServer(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "guantong")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/guantong-net/guantong/cmd/guantong")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("peer: build the server: %w: %s", err, said)
	}
	return out, nil
}

// NewServer prepares a server with its configuration in dir, and its data in a folder that may be on another disk. It is not started yet.
func NewServer(binary, dir, data string) (*Server, error) {
	return NewServerAt(ServerConfig{Binary: binary, Dir: dir, Data: data})
}

// NewServerAt prepares a server in a place of its own.
func NewServerAt(c ServerConfig) (*Server, error) {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	ports, err := FreePorts(4)
	if err != nil {
		return nil, err
	}
	s := &Server{c: c}
	s.HTTP, s.SIP, s.media = s.at(ports[0]), s.at(ports[1]), s.at(ports[3])
	s.Profile = fmt.Sprintf("127.0.0.1:%d", ports[2])
	s.rtpLow = 12000 + ports[0]%9*2000 // two servers on one machine seldom meet; below the ephemeral ports
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("peer: server: %w", err)
	}
	if err := os.WriteFile(s.configPath(), []byte(s.config()), 0o600); err != nil {
		return nil, fmt.Errorf("peer: server: %w", err)
	}
	return s, nil
}

func (s *Server) at(port int) string { return fmt.Sprintf("%s:%d", s.c.Host, port) }

func (s *Server) configPath() string { return filepath.Join(s.c.Dir, "guantong.yaml") }

// Data is the server's data folder.
func (s *Server) Data() string { return s.c.Data }

// Host is the server's address.
func (s *Server) Host() string { return s.c.Host }

// Start starts the process, with further arguments where there are some, and waits until it says that it is ready. The log is new with each start.
func (s *Server) Start(ctx, life context.Context, more ...string) error {
	before := time.Now()
	words := append(slices.Clone(s.c.Within), s.c.Binary, "serve", "-config", s.configPath())
	words = append(words, more...)
	p, err := StartProcess(life, s.c.Dir, nil, words[0], words[1:]...)
	if err != nil {
		return err
	}
	s.Process = p
	if err := s.ready(ctx); err != nil {
		p.Kill()
		return fmt.Errorf("peer: server did not get ready: %w; its log ends: %s", err, p.Log().Tail(2000))
	}
	s.StartMS = float64(time.Since(before).Microseconds()) / 1000
	if s.Trust == nil {
		if s.Trust, err = Certificate(ctx, s.HTTP); err != nil {
			return err
		}
	}
	return s.credentials(ctx)
}

func (s *Server) ready(ctx context.Context) error {
	for {
		ok := false
		if cert, err := Certificate(ctx, s.HTTP); err == nil {
			_, err = NewAPI(s.HTTP, cert).Raw(ctx, http.MethodGet, "/readyz", nil, nil)
			ok = err == nil
		}
		if ok {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.Done():
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// API is a client that is not logged in.
func (s *Server) API() *API { return NewAPI(s.HTTP, s.Trust) }

// What the first start prints.
var (
	firstAdmin = regexp.MustCompile(`^\s+user\s+(\S+)\s+password (\S+)`)
	firstPhone = regexp.MustCompile(`^\s+telephone\s+(\S+)\s+password (\S+)`)
)

// credentials reads what the first start prints once; later starts print nothing and keep what is known.
func (s *Server) credentials(ctx context.Context) error {
	if s.User != "" {
		return nil
	}
	found := func(text string) bool {
		for line := range strings.Lines(text) {
			if firstAdmin.MatchString(line) {
				return strings.HasSuffix(text, "\n")
			}
		}
		return false
	}
	if err := s.Log().Wait(ctx, found); err != nil {
		return fmt.Errorf("peer: the first start printed no administrator: %w", err)
	}
	for line := range strings.Lines(s.Log().String()) {
		if m := firstPhone.FindStringSubmatch(line); m != nil {
			s.Phones = append(s.Phones, Account{m[1], m[2]})
		}
		if m := firstAdmin.FindStringSubmatch(line); m != nil && s.User == "" {
			s.User, s.Pass = m[1], m[2]
		}
	}
	return nil
}

// FirstLogin logs the first administrator in and changes its password, as it must before anything else.
func (s *Server) FirstLogin(ctx context.Context) (*API, error) {
	session, reply, err := s.API().Login(ctx, s.User, s.Pass)
	if err != nil {
		return nil, err
	}
	if reply.Me == nil || !reply.Me.User.MustChange {
		return session, nil
	}
	fresh := s.Pass + "-drill-2"
	if err := session.Call(ctx, http.MethodPost, "/me/password", map[string]string{"old": s.Pass, "new": fresh}, nil); err != nil {
		return nil, err
	}
	s.Pass = fresh
	session, _, err = s.API().Login(ctx, s.User, s.Pass)
	return session, err
}

// Operator runs an operator's command of the server's program with its configuration, in its place: "recover", "-force".
func (s *Server) Operator(ctx context.Context, name string, more ...string) (string, error) {
	words := append(slices.Clone(s.c.Within), s.c.Binary, name, "-config", s.configPath())
	words = append(words, more...)
	said, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("peer: %s: %w: %s", name, err, said)
	}
	return string(said), nil
}
