package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/guantong-net/guantong/testbed/hearing"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/speech"
)

// timing collects what one-site measures.
type timing struct {
	access, mouth, late []float64 // ms
	clipped             float64
	stoi, spectral      float64 // the least
	heard               int
}

// What a listener's recording has to reach.
const (
	wantSpectral = 0.8
	wantSTOI     = 0.75 // Taal's fit to listening tests puts 0.75 above 95 % of words in sentences
	wantClipped  = 20.0 // ms
)

// leadTime is from the press to the first sound of the sentence: a person who presses and speaks.
const leadTime = 250.0 // ms

// nextSentence finds when the console's microphone begins the sentence next, at least leadTime and a little from now.
func (s *station) nextSentence(ctx context.Context) (float64, error) {
	now := peer.Monotonic()
	mic, err := s.page.Microphone(ctx, now-2*s.period(), now)
	if err != nil {
		return 0, err
	}
	v := hearing.Compare(s.says, mic.Sound, s.band)
	if !v.Heard() {
		return 0, fmt.Errorf("%s: the microphone does not hear the sentence: %v", s.name, v)
	}
	at := mic.At(v.Start)
	for at < peer.Monotonic()+leadTime+150 {
		at += s.period()
	}
	return at, nil
}

// until waits for a moment of the monotonic clock.
func until(ctx context.Context, at float64) error {
	return pause(ctx, time.Duration((at-peer.Monotonic())*float64(time.Millisecond)))
}

// talk presses, says one whole sentence, and releases. A telephone says it at least once whole: its file is not in step with the key.
func (s *station) talk(ctx context.Context) (from, to float64, err error) {
	if s.phone != nil {
		return s.talkPhone(ctx)
	}
	at, err := s.nextSentence(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := until(ctx, at-leadTime); err != nil {
		return 0, 0, err
	}
	from = peer.Monotonic()
	if err := s.page.MouseDown(ctx, "ptt"); err != nil {
		return 0, 0, err
	}
	wait := until(ctx, at+s.says.Seconds()*1000+120)
	to = peer.Monotonic()
	if err := s.page.MouseUp(ctx, "ptt"); err != nil {
		return 0, 0, err
	}
	return from, to, wait
}

func (s *station) talkPhone(ctx context.Context) (from, to float64, err error) {
	from = peer.Monotonic()
	if err := s.phone.Press("*", 120*time.Millisecond); err != nil {
		return 0, 0, err
	}
	hold := 2*(s.says.Seconds()+phoneGap) + 0.8
	if err := pause(ctx, time.Duration(hold*float64(time.Second))); err != nil {
		return 0, 0, err
	}
	to = peer.Monotonic()
	return from, to, s.phone.Press("#", 120*time.Millisecond)
}

// say lets one talk, and judges what each of the others heard.
func (d *drill) sayTo(ctx context.Context, where string, talker *station, hearers, others []*station, t *timing) error {
	marks := map[*station]mark{}
	for _, s := range append(append([]*station(nil), hearers...), others...) {
		marks[s] = s.mark()
	}
	from, to, err := talker.talk(ctx)
	if err != nil {
		return fmt.Errorf("%s talks: %w", talker.name, err)
	}
	if err := pause(ctx, 1200*time.Millisecond); err != nil {
		return err
	}
	var mic peer.Capture
	if talker.page != nil {
		if mic, err = talker.page.Microphone(ctx, from, to+50); err != nil {
			return err
		}
		if err := d.access(ctx, talker, from, to, t); err != nil {
			return err
		}
	}
	for _, s := range hearers {
		if err := d.judge(ctx, where, talker, s, marks[s], mic, t); err != nil {
			return err
		}
	}
	for _, s := range others {
		if err := d.deaf(ctx, where, talker, s, marks[s]); err != nil {
			return err
		}
	}
	return nil
}

// judge compares one listener's recording with the spoken file.
func (d *drill) judge(ctx context.Context, where string, talker, s *station, m mark, mic peer.Capture, t *timing) error {
	got, err := s.heard(ctx, m)
	if err != nil {
		return fmt.Errorf("what %s heard: %w", s.name, err)
	}
	band := s.band
	if talker.phone != nil {
		band = hearing.Telephone()
	}
	d.leave(strings.ReplaceAll(fmt.Sprintf("%s-%s-to-%s", where, talker.name, s.name), " ", "_"), got.Sound)
	if len(got.Sound.Samples) == 0 && s.page != nil {
		d.say("%s heard nothing: %s", s.name, s.page.Describe(ctx))
	}
	v := hearing.Compare(talker.says, got.Sound, band)
	clipped := max(v.Head, v.Tail)
	ok := v.Spectral >= wantSpectral && v.STOI >= wantSTOI && len(v.Missing) == 0 && clipped <= wantClipped
	d.check(fmt.Sprintf("%s: %s hears %s", where, s.name, talker.name),
		fmt.Sprintf("spectral ≥ %g, STOI ≥ %g, every syllable, clipped ≤ %g ms", wantSpectral, wantSTOI, wantClipped), v.String(), ok)
	if t.heard == 0 || v.STOI < t.stoi {
		t.stoi = v.STOI
	}
	if t.heard == 0 || v.Spectral < t.spectral {
		t.spectral = v.Spectral
	}
	t.heard++
	t.clipped = max(t.clipped, clipped)
	if talker.page != nil && s.page != nil {
		t.mouth = append(t.mouth, mouthToEar(talker.says, mic, got, v)...)
	}
	return nil
}

// mouthToEar compares, for each 320 ms of speech that both taps recognise, when the talker's page captured it with when the listener's page pulled it out of
// its decoder for playing. It leaves out the sound cards at both ends, which a machine without them does not have.
func mouthToEar(said speech.Sound, mic, ear peer.Capture, heard hearing.Verdict) []float64 {
	spoken := hearing.Compare(said, mic.Sound, hearing.Wide())
	if !spoken.Heard() || !heard.Heard() {
		return nil
	}
	at := map[float64]float64{}
	for _, l := range spoken.Lags {
		at[l.At] = mic.At(l.At + l.Start)
	}
	var out []float64
	for _, l := range heard.Lags {
		if from, ok := at[l.At]; ok {
			out = append(out, ear.At(l.At+l.Start)-from)
		}
	}
	return out
}

// deaf checks that a station heard nothing.
func (d *drill) deaf(ctx context.Context, where string, talker, s *station, m mark) error {
	got, err := s.heard(ctx, m)
	if err != nil && s.phone == nil {
		return err
	}
	v := hearing.Compare(talker.says, got.Sound, hearing.Telephone())
	d.check(fmt.Sprintf("%s: %s does not hear %s", where, s.name, talker.name), "silence",
		fmt.Sprintf("%.0f ms of sound, spectral %.2f, STOI %.2f", got.Loud, v.Spectral, v.STOI), !v.Heard() && (s.phone != nil || got.Loud < 30))
	return nil
}

// access reads from the talker's page when the key went down and when it showed that the talker may speak (MCPTT KPI 1).
func (d *drill) access(ctx context.Context, s *station, from, to float64, t *timing) error {
	events, err := s.page.Events(ctx)
	if err != nil {
		return err
	}
	pressed := 0.0
	for _, e := range events {
		if e.At < from-5 || e.At > to+5 {
			continue
		}
		if e.What == "pointerdown" && (e.ID == "ptt" || e.ID == "ptt-state") { // the one is inside the other
			pressed = e.At
		}
		if e.What == "data-state" && e.ID == "ptt-state" && e.Value == "granted" && pressed > 0 {
			t.access = append(t.access, e.At-pressed)
			return nil
		}
	}
	d.check(s.name+" is granted the floor", "granted", "not shown within the press", false)
	return nil
}

// leave keeps a recording for a person to listen to, when the run's folder is kept.
func (d *drill) leave(name string, s speech.Sound) {
	if d.keep != "" && len(s.Samples) > 0 {
		if err := speech.SaveWAV(filepath.Join(d.dir, name+".wav"), s); err != nil {
			d.say("%v", err)
		}
	}
}
