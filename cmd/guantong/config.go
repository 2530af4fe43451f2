package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/guantong-net/guantong/cluster/floating"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/trust"
	"github.com/guantong-net/guantong/transports/power"
)

// manual is the commented configuration with all defaults. It is read as the defaults, so it cannot be wrong about them.
//
//go:embed guantong.yaml
var manual []byte

type config struct {
	Data      string        `yaml:"data"`
	Site      siteConfig    `yaml:"site"`
	Node      string        `yaml:"node"`
	Nodes     nodesConfig   `yaml:"nodes"`
	Console   consoleConfig `yaml:"console"`
	Media     mediaConfig   `yaml:"media"`
	Telephone phoneConfig   `yaml:"telephone"`
	Desk      deskConfig    `yaml:"desk"`
	Disk      diskConfig    `yaml:"disk"`
	Power     powerConfig   `yaml:"power"`
	Retention keepConfig    `yaml:"retention"`
	Log       logConfig     `yaml:"log"`
	Metrics   metricsConfig `yaml:"metrics"`
	Profile   string        `yaml:"profile"`
}

type siteConfig struct {
	Number fusion.Site `yaml:"number"`
	Name   string      `yaml:"name"`
	Realm  string      `yaml:"realm"`
}

type nodesConfig struct {
	Listen    string   `yaml:"listen"`
	Announce  string   `yaml:"announce"`
	SlowDisk  duration `yaml:"slow_disk"`
	FilesRate size     `yaml:"files_rate"`
	Floating  string   `yaml:"floating"`
}

type consoleConfig struct {
	Listen      string   `yaml:"listen"`
	Announce    string   `yaml:"announce"`
	Names       []string `yaml:"names"`
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	Nodes       []string `yaml:"nodes"`
}

type mediaConfig struct {
	Listen   string   `yaml:"listen"`
	Announce []string `yaml:"announce"`
}

type phoneConfig struct {
	UDP       string        `yaml:"udp"`
	TCP       string        `yaml:"tcp"`
	TLS       string        `yaml:"tls"`
	RTPLow    uint16        `yaml:"rtp_low"`
	RTPHigh   uint16        `yaml:"rtp_high"`
	Advertise string        `yaml:"advertise"`
	Entry     fusion.Number `yaml:"entry"`
	Trunks    []trunkConfig `yaml:"trunks"`
	Classes   []classConfig `yaml:"classes"`
}

type trunkConfig struct {
	Name         string            `yaml:"name"`
	Hosts        []string          `yaml:"hosts"`
	Transport    string            `yaml:"transport"`
	Peers        []string          `yaml:"peers"`
	Register     bool              `yaml:"register"`
	User         string            `yaml:"user"`
	PasswordFile string            `yaml:"password_file"`
	Domain       string            `yaml:"domain"`
	Entry        fusion.Number     `yaml:"entry"`
	Headers      map[string]string `yaml:"headers"`
	MaxCalls     int               `yaml:"max_calls"`
}

type classConfig struct {
	Name     string         `yaml:"name"`
	Prefixes []prefixConfig `yaml:"prefixes"`
	Minutes  int            `yaml:"minutes"`
	Calls    int            `yaml:"calls"`
}

type prefixConfig struct {
	Digits string `yaml:"digits"`
	Trunk  string `yaml:"trunk"`
	Strip  int    `yaml:"strip"`
}

type deskConfig struct {
	DutyAfter  duration `yaml:"duty_after"`
	Overflow   duration `yaml:"overflow"`
	Unanswered duration `yaml:"unanswered"`
}

type diskConfig struct {
	Reserve size `yaml:"reserve"`
	Warn    size `yaml:"warn"`
}

type powerConfig struct {
	UPS string `yaml:"ups"`
}

type keepConfig struct {
	Messages   duration `yaml:"messages"`
	Recordings duration `yaml:"recordings"`
	Audit      duration `yaml:"audit"`
}

type logConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type metricsConfig struct {
	TokenFile string `yaml:"token_file"`
}

// duration is a time.Duration that also takes days.
type duration time.Duration

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	if days, ok := strings.CutSuffix(n.Value, "d"); ok {
		v, err := strconv.ParseFloat(days, 64)
		if err != nil {
			return fmt.Errorf("line %d: %q is no duration", n.Line, n.Value)
		}
		*d = duration(v * 24 * float64(time.Hour))
		return nil
	}
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no duration (500ms, 30s, 10m, 12h, 180d)", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

// size is a number of octets.
type size uint64

func (s *size) UnmarshalYAML(n *yaml.Node) error {
	units := []struct {
		name string
		size uint64
	}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(n.Value, u.name)
		if v, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 40); ok && err == nil {
			*s = size(v * u.size)
			return nil
		}
	}
	return fmt.Errorf("line %d: %q is no size (512MB, 2GB)", n.Line, n.Value)
}

// loadConfig reads the defaults and over them the file, if one is named.
func loadConfig(path string) (config, error) {
	var c config
	if err := decodeConfig(manual, &c); err != nil {
		return c, fmt.Errorf("built-in configuration: %w", err)
	}
	if path == "" {
		return c, c.check()
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err := decodeConfig(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func decodeConfig(b []byte, c *config) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// check finds what cannot work before anything is started. It names all of it.
func (c config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Site.Number < 1 || c.Site.Number > fusion.MaxSite {
		bad("site.number: %d is not 1 to %d", c.Site.Number, fusion.MaxSite)
	}
	for key, v := range map[string]string{"data": c.Data, "site.name": c.Site.Name, "site.realm": c.Site.Realm, "node": c.Node} {
		if v == "" {
			bad("%s: must not be empty", key)
		}
	}
	addresses := map[string]string{
		"nodes.listen": c.Nodes.Listen, "nodes.announce": c.Nodes.Announce, "console.listen": c.Console.Listen, "console.announce": c.Console.Announce, "media.listen": c.Media.Listen, "telephone.udp": c.Telephone.UDP,
		"telephone.tcp": c.Telephone.TCP, "telephone.tls": c.Telephone.TLS, "profile": c.Profile,
	}
	for key, v := range addresses {
		if _, _, err := net.SplitHostPort(v); v != "" && err != nil {
			bad("%s: %q is not host:port", key, v)
		}
	}
	if (c.Console.Certificate == "") != (c.Console.Key == "") {
		bad("console: certificate and key belong together")
	}
	if _, err := floating.Parse(c.Nodes.Floating); c.Nodes.Floating != "" && err != nil {
		bad("nodes.floating: %w", err)
	}
	if err := trust.CheckNodeID(c.Node); c.Nodes.Listen != "" && err != nil {
		bad("node: %q: %w", c.Node, err)
	}
	if c.Nodes.FilesRate < 64<<10 || c.Nodes.FilesRate > 1<<40 {
		bad("nodes.files_rate: %d: at least 64KB a second", c.Nodes.FilesRate)
	}
	if _, _, err := power.Parse(c.Power.UPS); c.Power.UPS != "" && err != nil {
		bad("power.ups: %q is not name@host:port", c.Power.UPS)
	}
	if c.Profile != "" && !loopback(c.Profile) {
		bad("profile: %q: loopback addresses only", c.Profile)
	}
	if c.Telephone.RTPLow%2 != 0 || c.Telephone.RTPHigh <= c.Telephone.RTPLow {
		bad("telephone: rtp_low %d to rtp_high %d: from an even port to a higher one", c.Telephone.RTPLow, c.Telephone.RTPHigh)
	}
	if _, err := logger(io.Discard, c.Log); err != nil {
		bad("log: %w", err)
	}
	return errors.Join(append(errs, c.checkTelephone()...)...)
}

func (c config) checkTelephone() (errs []error) {
	trunks := make(map[string]bool)
	for i, t := range c.Telephone.Trunks {
		if t.Name == "" || len(t.Hosts) == 0 || trunks[t.Name] {
			errs = append(errs, fmt.Errorf("telephone.trunks[%d]: needs a name of its own and a host", i))
		}
		trunks[t.Name] = true
		for _, p := range t.Peers {
			if _, err := netip.ParsePrefix(p); err != nil {
				errs = append(errs, fmt.Errorf("telephone.trunks[%d]: peer %q is not address/bits", i, p))
			}
		}
	}
	for i, k := range c.Telephone.Classes {
		for _, p := range k.Prefixes {
			if !trunks[p.Trunk] || p.Strip > len(p.Digits) || p.Strip < 0 {
				errs = append(errs, fmt.Errorf("telephone.classes[%d]: prefix %q: its trunk must exist, and strip is at most its length", i, p.Digits))
			}
		}
	}
	return errs
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
