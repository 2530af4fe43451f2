package state

import (
	"errors"
	"fmt"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
)

// ErrUnknownCommand stops the application of the log: this version does not know a command, or a field of one, that it
// may not pass over. The node goes on as an island until it is upgraded.
var ErrUnknownCommand = errors.New("state: command of a newer version")

// Machine applies commands. It holds no state of its own: all is in the transaction.
type Machine struct {
	version  uint32 // the highest cluster version of which it knows all commands
	handlers map[command.Type]handler
	since    map[command.Type]uint32 // from which cluster version on; those not in it from the first
}

// handler is one type of command. A *fusion.Error is a refusal; any other error is a failing store.
type handler struct {
	run   func(*change) error
	check func(command.Command) error // whether this version can read the payload
}

// New makes a Machine that knows every command of this version.
func New() *Machine {
	m := &Machine{version: ClusterVersion, since: make(map[command.Type]uint32)}
	m.handlers = m.table()
	return m
}

// Knows reports whether this version can apply a type of command.
func (m *Machine) Knows(t command.Type) bool { _, ok := m.handlers[t]; return ok }

// Check tells, before a command goes into the log, whether every node of this version can read it. One that it cannot
// would be refused, or, with a field from nowhere, stop them all.
func (m *Machine) Check(cmd command.Command) error {
	h, ok := m.handlers[cmd.Type]
	if !ok || cmd.Version != command.Version {
		return bad("unknown_command", "no command of type %d in version %d", cmd.Type, cmd.Version)
	}
	return h.check(cmd)
}

// change is the application of one command.
type change struct {
	*overlay
	cmd    command.Command
	n      counters
	events []Event
	target string // what the audit names
	object bool   // it made an object that lives on under the command's ID
}

// Apply carries out a command, once per request ID, and gives its result and the events that it made. Refusals are
// Results. An error is ErrUnknownCommand or a failing store, and then nothing may be committed. Index is the command's
// place in the log; it names the command in errors.
func (m *Machine) Apply(tx Tx, cmd command.Command, index uint64) (Result, []Event, error) {
	res, events, err := m.apply(tx, cmd)
	if err != nil {
		return Result{}, nil, fmt.Errorf("apply command %d (type %d) at index %d: %w", cmd.Version, cmd.Type, index, err)
	}
	return res, events, nil
}

func (m *Machine) apply(tx Tx, cmd command.Command) (Result, []Event, error) {
	if !m.Knows(cmd.Type) || cmd.Version != command.Version {
		if cmd.Flags&command.Skippable != 0 {
			return Result{}, nil, nil
		}
		return Result{}, nil, ErrUnknownCommand
	}
	counts, _, err := load[counters](tx, tCounters.key())
	if err != nil {
		return Result{}, nil, err
	}
	before, done, err := recall(tx, counts, cmd)
	if err != nil || done {
		return before, nil, err
	}
	c := &change{overlay: newOverlay(tx), cmd: cmd, n: counts}
	err = m.run(c)
	if err == nil {
		err = c.settle(nil)
	}
	if refusal := (*fusion.Error)(nil); errors.As(err, &refusal) {
		c = &change{overlay: newOverlay(tx), cmd: cmd, n: counts, target: c.target}
		err = c.settle(refusal)
	}
	if err != nil {
		return Result{}, nil, err
	}
	res, _, err := recall(c, c.n, cmd)
	if err != nil {
		return Result{}, nil, err
	}
	return res, c.events, c.flush(tx)
}

// run carries out the command of c on its overlay.
func (m *Machine) run(c *change) error {
	return m.handlers[c.cmd.Type].run(c)
}

// settle writes what every command leaves behind: its audit entry, its outcome, and the counters.
func (c *change) settle(refusal *fusion.Error) error {
	res := Result{}
	if refusal != nil {
		res = Result{Fault: uint8(refusal.Fault), Reason: refusal.Reason, Detail: refusal.Detail}
	} else if len(c.events) > 0 {
		res.Seq = c.n.Event
	}
	if err := c.audit(res); err != nil {
		return err
	}
	if err := c.remember(res); err != nil {
		return err
	}
	c.n.HLC = max(c.n.HLC, c.cmd.HLC)
	if err := save(c, tCounters.key(), c.n); err != nil {
		return err
	}
	if refusal != nil {
		return nil
	}
	return c.checkSize()
}

// emit records a durable change and gives its sequence number.
func (c *change) emit(kind, objectKey string, data any) error {
	return c.record(Event{Type: kind, Key: objectKey, Data: data})
}

// gone records that an object is no more.
func (c *change) gone(kind, objectKey string) error {
	return c.record(Event{Type: kind, Key: objectKey, Gone: true})
}

func (c *change) record(e Event) error {
	c.n.Event++
	e.Seq, e.At = c.n.Event, c.at()
	c.events = append(c.events, e)
	return saveEvent(c, e)
}

// next is the sequence number that the next event will have: the revision of the object that it carries.
func (c *change) next() uint64 { return c.n.Event + 1 }

func (c *change) at() Millis { return Millis(c.cmd.At) }

// payload reads the command's payload.
func payload[T any](cmd command.Command) (T, error) {
	var v T
	err := command.Unmarshal(cmd.Payload, &v)
	if errors.Is(err, command.ErrUnknownField) {
		return v, fmt.Errorf("%w: %w", ErrUnknownCommand, err)
	}
	if err != nil {
		return v, bad("bad_payload", "the payload of command type %d cannot be read", cmd.Type)
	}
	return v, nil
}

// on makes a handler of a function that takes the payload.
func on[T any](f func(*change, T) error) handler {
	return handler{
		run: func(c *change) error {
			v, err := payload[T](c.cmd)
			if err != nil {
				return err
			}
			return f(c, v)
		},
		check: func(cmd command.Command) error {
			_, err := payload[T](cmd)
			return err
		},
	}
}

func (m *Machine) table() map[command.Type]handler {
	return map[command.Type]handler{
		command.GroupSet:        on((*change).setGroup),
		command.GroupDelete:     on((*change).deleteGroup),
		command.MemberSet:       on((*change).setMember),
		command.MemberDelete:    on((*change).deleteMember),
		command.UnitSet:         on((*change).setUnit),
		command.UnitDelete:      on((*change).deleteUnit),
		command.UserSet:         on((*change).setUser),
		command.UserDelete:      on((*change).deleteUser),
		command.UserSecretSet:   on((*change).setUserSecret),
		command.UserEndSessions: on((*change).endSessions),
		command.ExtensionSet:    on((*change).setExtension),
		command.ExtensionDelete: on((*change).deleteExtension),
		command.PositionSet:     on((*change).setPosition),
		command.PositionDelete:  on((*change).deletePosition),
		command.PositionTake:    on((*change).takePosition),
		command.PatchSet:        on((*change).setPatch),
		command.PatchPart:       on((*change).partPatch),
		command.MessagePost:     on((*change).postMessage),
		command.ReceiptAdd:      on((*change).addReceipt),
		command.AlertRaise:      on((*change).raiseAlert),
		command.AlertAck:        on((*change).ackAlert),
		command.AlertClear:      on((*change).clearAlert),
		command.AlertEscalate:   on((*change).escalateAlert),
		command.BurstIndex:      on((*change).indexBurst),
		command.CallLog:         on((*change).logCall),
		command.FileStored:      on((*change).storeFile),
		command.ObjectKeep:      on((*change).keepObject),
		command.AuditAdd:        on((*change).addAudit),
		command.Expire:          on((*change).expire),
		command.EventsTrim:      on((*change).trimEvents),
		command.SiteSet:         on((*change).setSite),
		command.NodeSet:         on((*change).setNode),
		command.NodeWish:        on((*change).wishNode),
		command.TokenAdd:        on((*change).addToken),
		command.TokenUse:        on((*change).useToken),
		command.SiteRecover:     on((*change).recoverSite),
		command.VersionRaise:    on((*change).raiseVersion),
		command.NodeAnnounce:    on((*change).announceNode),
		command.Batch:           {run: on(m.batch).run, check: m.checkBatch},
	}
}

// batch carries out several commands as one. The first refusal refuses all of them.
func (m *Machine) batch(c *change, b BatchChange) error {
	if len(b.Commands) == 0 {
		return fusion.E(fusion.BadRequest, "empty_batch", "a batch holds at least one command")
	}
	for i, inner := range b.Commands {
		if err := m.inBatch(c, inner); err != nil {
			if refusal := (*fusion.Error)(nil); errors.As(err, &refusal) {
				return fusion.E(refusal.Fault, refusal.Reason, "command %d of the batch: %s", i+1, refusal.Detail)
			}
			return err
		}
	}
	return nil
}

func (m *Machine) checkBatch(cmd command.Command) error {
	b, err := payload[BatchChange](cmd)
	for _, inner := range b.Commands {
		if err == nil && inner.Type != command.Batch {
			err = m.Check(inner)
		}
	}
	return err
}

func (m *Machine) inBatch(c *change, cmd command.Command) error {
	if cmd.Type == command.Batch || cmd.ID.IsZero() {
		return fusion.E(fusion.BadRequest, "bad_batch", "an inner command is a batch itself, or has no request ID")
	}
	if !m.Knows(cmd.Type) || cmd.Version != command.Version {
		if cmd.Flags&command.Skippable != 0 {
			return nil
		}
		return ErrUnknownCommand
	}
	res, done, err := recall(c, c.n, cmd)
	if err != nil {
		return err
	}
	if done {
		return res.Err()
	}
	inner := &change{overlay: c.overlay, cmd: cmd, n: c.n}
	if err := m.run(inner); err != nil {
		return err
	}
	if err := inner.settle(nil); err != nil {
		return err
	}
	c.n = inner.n
	c.events = append(c.events, inner.events...)
	return nil
}
