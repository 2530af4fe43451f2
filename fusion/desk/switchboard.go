package desk

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/fusion/talk"
)

// Talks is what the switchboard needs of the live plane.
type Talks interface {
	Join(context.Context, fusion.Talk, talk.Leg, talk.JoinOptions) (talk.Seat, error)
	OpenCall(id fusion.ID, halfDuplex bool) fusion.Talk
	CloseCall(t fusion.Talk, cause string)
}

// Config sets the switchboard's patience.
type Config struct {
	Unanswered time.Duration // a unit that rings so long is not there [45 s]
	DutyAfter  time.Duration // then the duty phone rings too [15 s]
	Overflow   time.Duration // then the call goes on to the next position [60 s]
	Queue      int           // calls that may wait at one position [20]
	Calls      int           // live calls in all [500]
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.Unanswered, 45*time.Second)
	def(&c.DutyAfter, 15*time.Second)
	def(&c.Overflow, 60*time.Second)
	if c.Queue <= 0 {
		c.Queue = 20
	}
	if c.Calls <= 0 {
		c.Calls = 500
	}
	return c
}

// Deps are what the switchboard needs.
type Deps struct {
	Talks     Talks
	Dialler   Dialler
	Directory Directory
	Log       *slog.Logger
	NewID     func() fusion.ID
	Record    func(state.CallRecord) // keeps what stays of a call; it does not block
}

// Switchboard serves all calls of a node. All methods are for any goroutine. It implements Incoming and LineEvents.
type Switchboard struct {
	cfg Config
	d   Deps
	ctx context.Context // ends with Close
	end context.CancelFunc

	mu      sync.Mutex
	calls   map[fusion.ID]*live
	lines   map[Line]*party
	out     map[string]int // outgoing calls by class of service
	watch   map[int]func(Call)
	watches int
	news    []Call // to be told once the lock is free
	telling bool   // somebody tells them
	closed  bool
	dialing int             // calls of Dial that have not returned
	early   map[Line]*early // what lines did before Dial had returned them
	wg      sync.WaitGroup
}

// early is what a line did before it was known.
type early struct {
	answered, ended bool
	cause           Cause
}

// New makes a switchboard without calls.
func New(cfg Config, d Deps) *Switchboard {
	s := &Switchboard{
		cfg: cfg.withDefaults(), d: d, calls: make(map[fusion.ID]*live), lines: make(map[Line]*party),
		out: make(map[string]int), watch: make(map[int]func(Call)), early: make(map[Line]*early),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Close hangs up everything, and takes no more calls.
func (s *Switchboard) Close() {
	s.end()
	s.locked(func() {
		for _, c := range s.calls {
			s.finish(c, Normal)
		}
		s.closed = true
	})
	s.wg.Wait()
}

// locked runs f under the lock and then tells the watchers, without it and in the order in which things happened: whoever is telling already
// tells what has come meanwhile too.
func (s *Switchboard) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if s.telling {
		return
	}
	s.telling = true
	for len(s.news) > 0 {
		s.tell()
	}
	s.telling = false
}

// tell tells what is new. The lock is held, but not meanwhile.
func (s *Switchboard) tell() {
	news := s.news
	s.news = nil
	fs := make([]func(Call), 0, len(s.watch))
	for _, w := range s.watch {
		fs = append(fs, w)
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	for _, c := range news {
		for _, w := range fs {
			w(c)
		}
	}
}

// background runs what takes time, without the lock. The lock is held.
func (s *Switchboard) background(f func(ctx context.Context)) {
	run := func() {
		ctx, cancel := context.WithTimeout(s.ctx, 2*s.cfg.Unanswered)
		defer cancel()
		f(ctx)
	}
	if s.closed { // Close waits no more
		go run()
		return
	}
	s.wg.Go(run)
}

// Calls lists the live calls, oldest first.
func (s *Switchboard) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Call, 0, len(s.calls))
	for _, c := range s.calls {
		list = append(list, c.Call)
	}
	slices.SortFunc(list, func(a, b Call) int { return a.Started.Compare(b.Started) })
	return list
}

// Call finds one live call.
func (s *Switchboard) Call(id fusion.ID) (Call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c == nil {
		return Call{}, false
	}
	return c.Call, true
}

// Subscribe calls f with each change of a call; the last one has StatusEnded. f must not block.
func (s *Switchboard) Subscribe(f func(Call)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches++
	n := s.watches
	s.watch[n] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watch, n)
	}
}

// begin enters a new call. The lock is held, as in everything below.
func (s *Switchboard) begin(from Caller, status Status) *live {
	now := time.Now()
	c := &live{Call: Call{ID: s.d.NewID(), Status: status, From: from, Since: now, Started: now}}
	s.calls[c.ID] = c
	return c
}

// enlist makes a line a party of a call.
func (s *Switchboard) enlist(c *live, line Line) *party {
	p := &party{line: line, call: c}
	s.lines[line] = p
	return p
}

func (s *Switchboard) set(c *live, status Status) {
	c.Status, c.Since = status, time.Now()
	s.news = append(s.news, c.Call)
}

// after runs f under the lock, unless the call has ended or something else was set for it meanwhile.
func (s *Switchboard) after(c *live, d time.Duration, f func()) {
	if c.timer != nil {
		c.timer.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		s.locked(func() {
			if c.timer == t && c.Status != StatusEnded {
				f()
			}
		})
	})
	c.timer = t
}

// quiet stops what runs for a call and begins another phase of it.
func (s *Switchboard) quiet(c *live) {
	for _, t := range []*time.Timer{c.timer, c.guard} {
		if t != nil {
			t.Stop()
		}
	}
	c.timer, c.guard = nil, nil
	c.phase++
}

// finish ends a call and everything of it. It happens once.
func (s *Switchboard) finish(c *live, cause Cause) {
	if c.Status == StatusEnded {
		return
	}
	s.quiet(c)
	c.Cause = cause
	for _, p := range c.parties() {
		s.drop(p, cause)
	}
	s.closeTalk(c, string(cause))
	if c.class != "" {
		if s.out[c.class]--; s.out[c.class] == 0 {
			delete(s.out, c.class)
		}
		c.class = ""
	}
	s.set(c, StatusEnded)
	delete(s.calls, c.ID)
	rec := c.record(time.Now())
	s.background(func(context.Context) { s.d.Record(rec) })
}

// closeTalk ends a call's conversation.
func (s *Switchboard) closeTalk(c *live, cause string) {
	if t := c.Talk; !t.IsZero() {
		c.Talk = fusion.Talk{}
		s.background(func(context.Context) { s.d.Talks.CloseCall(t, cause) })
	}
}

// drop hangs up one line.
func (s *Switchboard) drop(p *party, cause Cause) {
	if p.gone {
		return
	}
	p.gone = true
	delete(s.lines, p.line)
	s.unseat(p)
	line := p.line
	s.background(func(context.Context) { line.Hang(cause) })
}

func (s *Switchboard) unseat(p *party) {
	if p.seat == nil {
		return
	}
	seat := p.seat
	p.seat = nil
	p.line.Sit(nil, false)
	seat.Leave()
}

// sit puts a line into a conversation, out of the one it was in.
func (s *Switchboard) sit(p *party, t fusion.Talk, opt talk.JoinOptions, fullDuplex bool) error {
	s.unseat(p)
	seat, err := s.d.Talks.Join(s.ctx, t, p.line, opt)
	if err != nil {
		return err
	}
	p.seat = seat
	p.line.Play(Silence)
	p.line.Sit(seat, fullDuplex)
	return nil
}

// callOptions are those of a line in a call.
func (s *Switchboard) callOptions(p *party) talk.JoinOptions {
	from := p.line.Caller()
	opt := talk.JoinOptions{Name: from.Name, Via: "phone", MayTalk: true}
	if from.Unit == 0 {
		opt.Via = "outside"
	}
	if opt.Name == "" {
		opt.Name = from.Digits
	}
	return opt
}

// find gives a live call or says that there is none.
func (s *Switchboard) find(id fusion.ID) (*live, error) {
	if c := s.calls[id]; c != nil {
		return c, nil
	}
	return nil, fusion.E(fusion.NotFound, "call_unknown", "no such call")
}

// do runs f on a live call under the lock.
func (s *Switchboard) do(id fusion.ID, f func(*live) error) (err error) {
	s.locked(func() {
		var c *live
		if c, err = s.find(id); err == nil {
			err = f(c)
		}
	})
	return err
}
