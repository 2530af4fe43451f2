package power

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// monitor asks an upsd that answers each connection by a function.
func monitor(t *testing.T, serve func(net.Conn)) *Monitor {
	t.Helper()
	m, err := New(Config{UPS: "rack@[::1]:3493", Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		if network != "tcp" || address != "[::1]:3493" {
			t.Errorf("dialled %s %s", network, address)
		}
		here, there := net.Pipe()
		go func() {
			serve(there)
			_ = there.Close()
		}()
		return here, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, m *Monitor) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// says answers every question with the status.
func says(status func() string) func(net.Conn) {
	return func(c net.Conn) {
		for in := bufio.NewReader(c); ; {
			line, err := in.ReadString('\n')
			if err != nil || line != "LIST VAR rack\n" {
				return
			}
			answer := "BEGIN LIST VAR rack\nVAR rack battery.charge \"71.4\"\nVAR rack battery.runtime \"1800\"\nVAR rack device.mfr \"a \\\"b\\\" c\"\n" +
				"VAR rack ups.status \"" + status() + "\"\nEND LIST VAR rack\n"
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

func TestWhatTheUPSSaysIsKnownWithinAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status atomic.Value
		status.Store("OL CHRG")
		m := monitor(t, says(func() string { return status.Load().(string) }))
		if s := m.State(); s.Known || s.Fault == "" {
			t.Errorf("before it was asked: %+v", s)
		}
		run(t, m)
		synctest.Wait()
		if s := m.State(); !s.Known || s.OnBattery || s.Low || s.Charge != 71 || s.Runtime != 30*time.Minute || !s.Since.IsZero() || s.Status != "OL CHRG" {
			t.Errorf("%+v", s)
		}
		status.Store("OB DISCHRG")
		time.Sleep(3 * time.Second)
		failed := m.State().Since
		if s := m.State(); !s.OnBattery || s.Critical() || failed.IsZero() {
			t.Errorf("%+v", s)
		}
		status.Store("OB LB RB")
		time.Sleep(10 * time.Second)
		if s := m.State(); !s.Critical() || !s.Replace || s.Since != failed {
			t.Errorf("%+v", s)
		}
		status.Store("OL LB CHRG")
		time.Sleep(3 * time.Second)
		if s := m.State(); s.Critical() || !s.Low || !s.Since.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

func TestAnUPSDThatHangsFloodsOrLiesIsBoundedAndShown(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"it hangs":         func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"it hangs up":      func(net.Conn) {},
		"a drop at a time": func(c net.Conn) { drip(c, "BEGIN LIST VAR rack\n") },
		"a long line":      func(c net.Conn) { question(c); _, _ = io.WriteString(c, strings.Repeat("A", 1<<20)) },
		"lines for ever": func(c net.Conn) {
			question(c)
			_, _ = io.WriteString(c, "BEGIN LIST VAR rack\n")
			for {
				if _, err := io.WriteString(c, "VAR rack x \"y\"\n"); err != nil {
					return
				}
			}
		},
		"another UPS": func(c net.Conn) { question(c); _, _ = io.WriteString(c, "BEGIN LIST VAR other\n") },
		"no quotes": func(c net.Conn) {
			question(c)
			_, _ = io.WriteString(c, "BEGIN LIST VAR rack\nVAR rack ups.status OB LB\n")
		},
		"no status":  func(c net.Conn) { question(c); _, _ = io.WriteString(c, "BEGIN LIST VAR rack\nEND LIST VAR rack\n") },
		"it refuses": func(c net.Conn) { question(c); _, _ = io.WriteString(c, "ERR DATA-STALE\n"); question(c) },
		"escape at the end": func(c net.Conn) {
			question(c)
			_, _ = io.WriteString(c, "BEGIN LIST VAR rack\nVAR rack ups.status \"OB\\\"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := monitor(t, serve)
				begun := time.Now()
				if c := m.ask(t.Context(), nil); c != nil {
					c.close()
				}
				if took := time.Since(begun); took > m.cfg.Limit {
					t.Errorf("it took %s", took)
				}
				if s := m.State(); s.Known || s.Critical() || s.Fault == "" || len(s.Fault) > maxFault {
					t.Errorf("%+v", s)
				}
				time.Sleep(time.Minute) // of the bubble's own time: what still writes finds that nobody reads
			})
		})
	}
}

func question(c net.Conn) { _, _ = bufio.NewReader(c).ReadString('\n') }

func drip(c net.Conn, text string) {
	question(c)
	for _, b := range []byte(text) {
		time.Sleep(time.Second)
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
	}
}

func TestWhatWasHeardTooLongAgoIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		m := monitor(t, func(c net.Conn) {
			if !gone.Load() {
				says(func() string { return "OB LB" })(c)
			}
		})
		m.cfg.Dial = func(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
			return func(ctx context.Context, network, address string) (net.Conn, error) {
				if gone.Load() {
					return nil, errors.New("connection refused")
				}
				return dial(ctx, network, address)
			}
		}(m.cfg.Dial)
		c := m.ask(t.Context(), nil)
		if !m.State().Critical() {
			t.Fatalf("%+v", m.State())
		}
		gone.Store(true)
		c.close()
		time.Sleep(10 * time.Second)
		c = m.ask(t.Context(), c)
		c = m.ask(t.Context(), c)
		if !m.State().Critical() {
			t.Errorf("for a moment the last word counts: %+v", m.State())
		}
		time.Sleep(6 * time.Second)
		if s := m.State(); s.Known || !strings.Contains(s.Fault, "refused") {
			t.Errorf("%+v", s)
		}
		gone.Store(false)
		if c = m.ask(t.Context(), c); !m.State().Known {
			t.Errorf("it is back: %+v", m.State())
		}
		c.close()
	})
}

func TestNumbersThatCannotBeAreNone(t *testing.T) {
	for _, v := range []string{"", "NaN", "-1", "101", "1e300", "much", "+Inf"} {
		s, err := reading(map[string]string{"ups.status": "OL", "battery.charge": v, "battery.runtime": "-" + v})
		if err != nil || s.Charge != -1 || s.Runtime != -1 {
			t.Errorf("%q: %+v, %v", v, s, err)
		}
	}
}

func TestNamesOfUPSes(t *testing.T) {
	for text, want := range map[string]string{
		"rack@localhost": "rack localhost:3493", "rack@10.0.0.1:3500": "rack 10.0.0.1:3500", "rack@[::1]:3493": "rack [::1]:3493", "rack@::1": "rack [::1]:3493",
		"rack@[::1]": "rack [::1]:3493", "rack": "", "@host": "", "rack@": "", "ra ck@host": "", "rack@host:": "", "rack\n@host": "", "r\"@host": "",
	} {
		ups, host, err := Parse(text)
		if got := ups + " " + host; (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		"BEGIN LIST VAR rack\nVAR rack ups.status \"OB LB\"\nEND LIST VAR rack\n", "ERR DATA-STALE\n", "BEGIN LIST VAR rack\nVAR rack a \"\\\"\n", "\n", "BEGIN LIST VAR rack\nVAR rack \n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, err := readVars(bufio.NewReaderSize(strings.NewReader(string(data)), maxLine), "rack")
		if err != nil {
			return
		}
		s, err := reading(vars)
		if err == nil && (s.Charge < -1 || s.Charge > 100 || s.Runtime < -1 || s.Runtime > longest || len(s.Status) > maxShown) {
			t.Errorf("%+v", s)
		}
	})
}
