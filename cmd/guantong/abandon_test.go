package main

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestAServerThatCouldNotBeBuiltLeavesNothingBehind: the console's port is taken, when telephones and media are open already. Once it is free the
// same ports must do, in the same process.
func TestAServerThatCouldNotBeBuiltLeavesNothingBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	c.Data = filepath.Join(t.TempDir(), "data")
	c.Console.Listen = taken.Addr().String()
	c.Media.Listen, c.Telephone.UDP, c.Telephone.TCP, c.Telephone.TLS = free(t, "udp"), free(t, "udp"), free(t, "tcp"), free(t, "tcp")
	log := slog.New(slog.DiscardHandler)
	var shown bytes.Buffer
	for range 2 {
		if s, err := newServer(t.Context(), c, "", log, &shown); err == nil {
			t.Fatal("built on a port that is taken", s.close())
		}
	}
	if n := strings.Count(shown.String(), "admin"); n != 1 { // the site stands since the first try: its password must have been shown, once
		t.Errorf("the administrator's password was shown %d times", n)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(t.Context(), c, "", log, &shown)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.abandon(); err != nil {
		t.Error(err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// free finds an address on loopback that nobody listens on.
func free(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.LocalAddr().String()
	}
	l, err := net.Listen(network, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
