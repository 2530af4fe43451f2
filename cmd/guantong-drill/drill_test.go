package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTheReportHasExactlyTheAgreedForm(t *testing.T) {
	d := &drill{out: io.Discard, begun: time.Now(), report: report{Name: "one-site", Seed: 7, Figures: map[string]float64{}}}
	d.atMost("access_ms_p95", 31.41592, 50)
	d.atLeast("stoi_min", 0.5, 0.75)
	var out bytes.Buffer
	if err := d.report.write("-", &out); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "one-site", "seed": 7.0, "passed": false,
		"checks": []any{
			map[string]any{"what": "access_ms_p95", "want": "≤ 50", "got": "31.42", "ok": true},
			map[string]any{"what": "stoi_min", "want": "≥ 0.75", "got": "0.5", "ok": false},
		},
		"figures": map[string]any{"access_ms_p95": 31.4159, "stoi_min": 0.5},
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		t.Errorf("%s\nwant %s", a, b)
	}
}

func TestListNamesEveryScenario(t *testing.T) {
	var out bytes.Buffer
	if ok, err := command(t.Context(), []string{"list"}, nil, &out, io.Discard); err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, want := range []string{"one-site", "power-cut", "chaos", "rolling", "dead-server", "start", "voice", "bundle", "record"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not listed", want)
		}
	}
	for _, bad := range [][]string{nil, {"run"}, {"run", "nothing"}, {"bench", "one-site"}} {
		if ok, err := command(t.Context(), bad, nil, io.Discard, io.Discard); ok || err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestTheBareSenderSendsAll(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	for _, batched := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		in, err := json.Marshal(bareConfig{To: []netip.AddrPort{to, to, to}, Octets: 172, Ticks: 5, Batched: batched})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := bareCommand(ctx, bytes.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		cancel()
		if v, err := strconv.ParseFloat(strings.TrimSpace(out.String()), 64); err != nil || v < 0 {
			t.Errorf("CPU time %q", out.String())
		}
		for i := range 15 {
			var b [2048]byte
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if n, err := conn.Read(b[:]); err != nil || n != 172 {
				t.Fatalf("batched %v, packet %d: %d octets, %v", batched, i, n, err)
			}
		}
	}
}
