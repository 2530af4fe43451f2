package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// station is a person at a real device: a console in Chromium, or a baresip telephone.
type station struct {
	name    string
	unit    fusion.Number
	says    speech.Sound
	page    *peer.Chromium // of a console
	phone   *peer.Baresip  // of a telephone
	band    hearing.Band
	account peer.Account
}

// The loops that are played into the devices: a sentence, then silence.
const (
	consoleGap = 2.0 // s
	phoneGap   = 0.6
	phoneFile  = 900.0 // a telephone's file must outlast the drill: baresip stops at its end
)

// period is the length of the console's microphone loop in ms.
func (s *station) period() float64 { return (s.says.Seconds() + consoleGap) * 1000 }

// newConsole logs a person in at a console and waits until it can talk.
func (d *drill) newConsole(ctx context.Context, s *peer.Server, name, sentence string, unit fusion.Number, a peer.Account) (*station, error) {
	says, err := speech.Load(sentence)
	if err != nil {
		return nil, err
	}
	page, err := peer.StartChromium(d.life, peer.ChromiumConfig{Dir: filepath.Join(d.dir, name), Microphone: says.Loop(consoleGap, 1), Trust: s.Trust})
	if err != nil {
		return nil, err
	}
	st := &station{name: name, unit: unit, says: says, page: page, band: hearing.Wide(), account: a}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	err = errors.Join(page.Open(ctx, "https://"+s.HTTP+"/"))
	for _, step := range []func() error{
		func() error { return page.Type(ctx, "login-user", a.User) },
		func() error { return page.Type(ctx, "login-password", a.Password) },
		func() error { return page.Click(ctx, "login-submit") },
		func() error {
			return page.Until(ctx, `document.querySelector('[data-testid="media-state"]')?.dataset.connected === 'true'`)
		},
		func() error { return page.Until(ctx, `document.querySelector('[data-testid="ptt"]')`) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		d.picture(name, page)
		return st, fmt.Errorf("%s logs in: %w", name, err)
	}
	d.say("%s is at a console; its clock is known to ±%.2f ms", name, page.Clock().Doubt)
	return st, nil
}

// picture leaves a screenshot of what went wrong, if the run's folder is kept.
func (d *drill) picture(name string, page *peer.Chromium) {
	ctx, cancel := context.WithTimeout(d.life, 5*time.Second)
	defer cancel()
	if png, err := page.Screenshot(ctx); err == nil {
		_ = os.WriteFile(filepath.Join(d.dir, name+".png"), png, 0o600) // a help for a person only
	}
}

// newPhone starts a telephone and waits until it has registered.
func (d *drill) newPhone(ctx context.Context, s *peer.Server, name, sentence string, unit fusion.Number, a peer.Account) (*station, error) {
	says, err := speech.Load(sentence)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(d.dir, name)
	wav := filepath.Join(dir, "says.wav")
	if err := errors.Join(os.MkdirAll(dir, 0o700), speech.SaveWAV(wav, says.Resample(8000).Loop(phoneGap, phoneFile))); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	start, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	phone, err := peer.StartBaresip(start, d.life, dir, peer.Phone{User: a.User, Password: a.Password, Server: s.SIP, Source: wav})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.say("%s is at a telephone", name)
	return &station{name: name, unit: unit, says: says, phone: phone, band: hearing.Telephone(), account: a}, nil
}

// tune makes a console listen to some groups and have one selected for talking.
func (s *station) tune(ctx context.Context, all []fusion.Number, listen ...fusion.Number) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for _, g := range all {
		want := false
		for _, l := range listen {
			want = want || l == g
		}
		card := "group-" + g.String()
		for _, part := range []string{"listen", "select"} {
			attr := map[string]string{"listen": "data-listening", "select": "data-selected"}[part]
			there, err := s.page.Has(ctx, card)
			if err != nil {
				return err
			}
			if !there {
				if want {
					return fmt.Errorf("%s: the console shows no group %s", s.name, g)
				}
				continue
			}
			now, err := s.page.Attribute(ctx, card, attr)
			if err != nil {
				return err
			}
			if (now == "true") == want {
				continue
			}
			if err := s.page.Click(ctx, card+"-"+part); err != nil {
				return err
			}
			if err := s.page.Until(ctx, fmt.Sprintf(`document.querySelector('[data-testid="%s"]')?.getAttribute('%s') === '%t'`, card, attr, want)); err != nil {
				return err
			}
		}
		if want {
			if err := s.page.Until(ctx, fmt.Sprintf(`document.querySelector('[data-testid="%s"]')?.dataset.joined === 'true'`, card)); err != nil {
				return err
			}
		}
	}
	return nil
}

// dial makes a telephone leave where it is and call a number.
func (s *station) dial(ctx context.Context, n fusion.Number) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.phone.Command("hangup"); err != nil {
		return err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if err := s.phone.Dial(ctx, n.String()); err != nil {
		return fmt.Errorf("%s calls %s: %w", s.name, n, err)
	}
	return pause(ctx, 3*time.Second) // a prompt may be spoken into it first
}

// mark is a moment in what a station hears.
type mark struct {
	at   float64 // ms, monotonic
	file string
	size int64
}

func (s *station) mark() mark {
	m := mark{at: peer.Monotonic()}
	if s.phone != nil {
		if files := s.phone.Heard(); len(files) > 0 {
			m.file = files[len(files)-1]
			if info, err := os.Stat(m.file); err == nil {
				m.size = info.Size()
			}
		}
	}
	return m
}

// heard is what a station's device has played since the mark.
func (s *station) heard(ctx context.Context, since mark) (peer.Capture, error) {
	if s.phone != nil {
		if now := s.mark(); now.file != since.file {
			since = mark{at: since.at, file: now.file} // a call has begun since: all of it counts
		}
		return since.read()
	}
	var best peer.Capture
	for slot := range 8 {
		c, err := s.page.Slot(ctx, slot, since.at, since.at+600000)
		if err != nil {
			return best, err
		}
		if c.Loud > best.Loud {
			best = c
		}
	}
	return best, nil
}

// read reads the part of a telephone's recording that was added. It holds what arrived, one packet after the other; sndfile writes no gaps.
func (m mark) read() (peer.Capture, error) {
	if m.file == "" {
		return peer.Capture{}, errors.New("the telephone has recorded nothing yet: it is in no call")
	}
	raw, err := os.ReadFile(m.file)
	if err != nil {
		return peer.Capture{}, fmt.Errorf("recording: %w", err)
	}
	const head = 44 // of the WAV file as libsndfile writes it
	from := max(m.size, head)
	out := peer.Capture{Sound: speech.Sound{Rate: 8000}}
	for i := from &^ 1; i+1 < int64(len(raw)); i += 2 {
		v := float64(int16(uint16(raw[i])|uint16(raw[i+1])<<8)) / 32768
		out.Sound.Samples = append(out.Sound.Samples, v)
		if v > 0.003 || v < -0.003 {
			out.Loud += 0.125
		}
	}
	return out, nil
}
