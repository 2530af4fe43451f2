package floor

import (
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion"
)

// Machine is the floor control server of one floor. See the package comment.
type Machine struct {
	cfg   Config
	epoch uint64
	state State

	seats  []*seat // in order of joining
	byID   map[fusion.ID]*seat
	hold   holding
	queue  []entry
	alarms []alarm
	tail   tail
	ending EndCause // why the burst will end once the grace is over
	inCall bool     // a broadcast is on the air

	t1, t2, warn, t3, t4, settle time.Time // TS 24.380 §11.1.3; zero when not running

	seq      uint16
	arrivals uint64
	strays   uint64

	// What is being handled.
	now  time.Time
	in   Input
	seat *seat // of in.Seat
	ask  rank  // of the request
	out  []Output

	trace func(m *Machine, from State, on Kind, r *serverRow, said []Output) // tests look on
}

type holding struct {
	Holding
	rank rank
	seat *seat
}

// alarm is an emergency that has not been cleared; it outlives the legs of its unit.
type alarm struct {
	unit fusion.Number
	seat fusion.ID // when the unit is unknown
}

// tail is the burst that ended last, whose packets are still on their way.
type tail struct {
	seat, burst fusion.ID
	until       time.Time
}

// Holding is one holding of the floor: from grant to release.
type Holding struct {
	Seat       fusion.ID
	Unit       fusion.Number
	Group      fusion.Number // the group that it talks from
	Burst      fusion.ID
	Precedence fusion.Precedence
	Emergency  bool
	BreakIn    bool
	Since      time.Time // of the grant
}

// New makes a floor with nobody at it. Epoch numbers the arbiter (the Raft term): the higher one counts.
func New(cfg Config, epoch uint64) *Machine {
	return &Machine{cfg: cfg, epoch: epoch, byID: make(map[fusion.ID]*seat)}
}

// Resume makes the floor of a new arbiter: until now + cfg.Settle it takes Carry reports and grants emergencies only.
// Other requests queue meanwhile.
func Resume(cfg Config, epoch uint64, now time.Time) *Machine {
	m := New(cfg, epoch)
	m.now, m.state, m.settle = now, Initialising, now.Add(cfg.Settle)
	return m
}

// Renew gives the arbiter another epoch: it arbitrates on, in a later turn.
func (m *Machine) Renew(epoch uint64) { m.epoch = epoch }

// Alarm notes emergencies that an earlier arbiter knew: they outlive it, as they outlive the legs of their units.
func (m *Machine) Alarm(units ...fusion.Number) {
	for _, u := range units {
		if a := (alarm{unit: u}); u != 0 && !slices.Contains(m.alarms, a) {
			m.alarms = append(m.alarms, a)
		}
	}
}

// Handle takes one input at the time now, which never goes back, and returns what to do, in order. Timers that were due
// are served first. The slice is valid until the next call. An input from a seat that has not joined is dropped and counted (Strays).
func (m *Machine) Handle(now time.Time, in Input) []Output {
	m.begin(now)
	m.serve()
	if !m.take(in) {
		m.strays++
		return m.out
	}
	m.fire(in.Kind)
	m.serve()
	return m.out
}

// Tick serves the timers that are due. The slice is valid until the next call.
func (m *Machine) Tick(now time.Time) []Output {
	m.begin(now)
	m.serve()
	return m.out
}

func (m *Machine) begin(now time.Time) {
	if now.After(m.now) {
		m.now = now
	}
	m.out = m.out[:0]
}

// take makes the input ready for the guards; false when there is nobody it could come from.
func (m *Machine) take(in Input) bool {
	if in.Kind > Close {
		return false
	}
	m.in, m.seat, m.ask = in, nil, rank{}
	switch in.Kind {
	case Join:
		return !in.Who.ID.IsZero()
	case ForceClear, Close:
		return true
	case EmergencyClear:
		m.clearAlarms()
		return true
	}
	if m.seat = m.byID[in.Seat]; m.seat == nil {
		return false
	}
	switch in.Kind {
	case Request, BreakIn, EmergencyRaise, Carry:
		m.weigh()
	}
	return true
}

// weigh finds the effective priority of a request (§4.1.1.4).
func (m *Machine) weigh() {
	if !m.in.Precedence.Valid() {
		m.in.Precedence = fusion.Routine
	}
	m.ask = rank{
		emergency:  m.in.Emergency || m.in.Kind == EmergencyRaise || m.alarmed(m.seat),
		breakIn:    m.in.Kind == BreakIn && m.seat.Dispatcher,
		precedence: m.in.Precedence,
		user:       m.seat.Priority,
		group:      m.seat.GroupPriority,
	}
	if m.in.Kind == EmergencyRaise && m.in.Burst.IsZero() {
		if i := m.queued(m.seat); i >= 0 { // the request that it has made already becomes the emergency's
			m.in.Burst, m.in.Precedence = m.queue[i].Burst, m.queue[i].Precedence
		}
	}
}

// fire takes one row of the table.
func (m *Machine) fire(on Kind) {
	from := m.state
	r := serverIndex.find(m, from, on)
	if r == nil || r.never {
		return
	}
	said := len(m.out)
	for i := range r.do {
		r.do[i].do(m)
	}
	if !r.stays {
		m.state = r.to
	}
	if m.trace != nil {
		m.trace(m, from, on, r, m.out[said:])
	}
}

// serve fires the timers that are due, the earliest first.
func (m *Machine) serve() {
	for {
		k, at := m.next()
		if at.IsZero() || at.After(m.now) {
			return
		}
		m.stop(k)
		m.in, m.seat, m.ask = Input{Kind: k}, nil, rank{}
		m.fire(k)
	}
}

// next finds the timer that runs out first.
func (m *Machine) next() (k Kind, at time.Time) {
	first := func(kind Kind, t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			k, at = kind, t
		}
	}
	first(Settled, m.settle)
	first(StopTalkingGrace, m.t3)
	first(StopTalking, m.t2)
	first(EndOfMedia, m.t1)
	first(TalkWarn, m.warn)
	first(Inactive, m.t4)
	if m.cfg.QueueTimeout > 0 {
		for i := range m.queue {
			first(QueueExpired, m.queue[i].Since.Add(m.cfg.QueueTimeout))
		}
	}
	return k, at
}

func (m *Machine) stop(k Kind) {
	switch k {
	case Settled:
		m.settle = time.Time{}
	case StopTalkingGrace:
		m.t3 = time.Time{}
	case StopTalking:
		m.t2 = time.Time{}
	case EndOfMedia:
		m.t1 = time.Time{}
	case TalkWarn:
		m.warn = time.Time{}
	case Inactive:
		m.t4 = time.Time{}
	}
}

// Deadline is when Tick must be called next; zero when nothing is pending. It may change with every call of Handle.
func (m *Machine) Deadline() time.Time {
	_, at := m.next()
	return at
}

// say adds an output.
func (m *Machine) say(o Output) {
	o.Epoch = m.epoch
	m.out = append(m.out, o)
}

// after is a deadline, zero when d is.
func (m *Machine) after(d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return m.now.Add(d)
}
