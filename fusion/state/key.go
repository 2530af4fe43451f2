package state

import (
	"encoding/binary"

	"github.com/guantong-net/guantong/fusion"
)

// table is the first octet of a key and says what the record is. Numbers, times and sequences follow big-endian, so
// that keys sort as they count. A letter is never used again for anything else.
type table byte

const (
	tCounters        table = 'C' // counters, the one record
	tSite            table = 's' // Site, the one record
	tGroup           table = 'g' // number → Group
	tUnit            table = 'u' // number → Unit
	tPosition        table = 'p' // number → Position
	tMember          table = 'M' // group, unit → Member
	tMembership      table = 'N' // unit, group → nothing
	tMemberCount     table = 'K' // group → how many members
	tUser            table = 'U' // name → User
	tUserSecret      table = 'S' // name → UserSecret
	tUserOfUnit      table = 'V' // unit, name → nothing
	tExtension       table = 'e' // unit → Extension
	tExtensionName   table = 'E' // SIP user name → unit
	tExtensionSecret table = 'F' // unit → ExtensionSecret
	tHandover        table = 'h' // position, time, ID → Handover
	tPatch           table = 'P' // ID → Patch
	tPatchOf         table = 'Q' // group → ID of its patch
	tMessage         table = 'm' // ID → Message
	tMessageTime     table = 't' // HLC, seq → ID
	tMessageSeq      table = 'i' // seq → ID
	tMailbox         table = 'n' // number, HLC, seq → ID: sent to it or by it
	tUnsigned        table = 'o' // position or unit, seq → ID: to be signed for
	tLifetime        table = 'y' // when it ends, seq → ID
	tReceipt         table = 'r' // message, recipient → Receipt
	tGram            table = 'x' // two runes, seq → nothing
	tAlert           table = 'a' // ID → Alert
	tAlertTime       table = 'A' // raised, ID → nothing
	tAlertOpen       table = 'O' // ID → nothing
	tBurst           table = 'b' // ID → Burst
	tBurstTime       table = 'B' // start, ID → nothing
	tBurstGroup      table = 'c' // group, start, ID → nothing
	tBurstTalker     table = 'k' // talker, start, ID → nothing
	tCall            table = 'l' // ID → CallRecord
	tCallTime        table = 'L' // start, ID → nothing
	tFile            table = 'f' // hash → storedFile
	tFileTime        table = 'G' // stored at, hash → nothing
	tFileRef         table = 'R' // hash, ID of what names it → nothing
	tAudit           table = 'z' // seq → Audit
	tEvent           table = 'v' // seq → storedEvent
	tNode            table = 'W' // ID → Node
	tToken           table = 'J' // hash → JoinToken
	tRecovery        table = 'I' // incarnation → Recovery
	tVersion         table = 'X' // VersionChange, the one record
	tDone            table = 'd' // request ID → outcome
	tDoneTime        table = 'D' // when it may be forgotten counts from here, ID → nothing
)

// key builds a key part by part.
type key []byte

func (t table) key() key                           { return append(make(key, 0, 32), byte(t)) }
func (k key) number(n fusion.Number) key           { return binary.BigEndian.AppendUint32(k, uint32(n)) }
func (k key) u64(v uint64) key                     { return binary.BigEndian.AppendUint64(k, v) }
func (k key) millis(m Millis) key                  { return k.u64(uint64(max(m, 0))) }
func (k key) id(id fusion.ID) key                  { return append(k, id[:]...) }
func (k key) text(s string) key                    { return append(k, s...) }
func (t table) of(n fusion.Number) key             { return t.key().number(n) }
func (t table) named(s string) key                 { return t.key().text(s) }
func (t table) ofID(id fusion.ID) key              { return t.key().id(id) }
func (t table) seq(v uint64) key                   { return t.key().u64(v) }
func (t table) at(m Millis, id fusion.ID) key      { return t.key().millis(m).id(id) }
func memberKey(group, unit fusion.Number) key      { return tMember.of(group).number(unit) }
func receiptKey(m fusion.ID, to fusion.Number) key { return tReceipt.ofID(m).number(to) }

// The last parts of a key.
func lastNumber(k []byte) fusion.Number { return fusion.Number(binary.BigEndian.Uint32(k[len(k)-4:])) }
func lastU64(k []byte) uint64           { return binary.BigEndian.Uint64(k[len(k)-8:]) }
func lastID(k []byte) fusion.ID         { return fusion.ID(k[len(k)-16:]) }

// present is the value of a key that says all by itself.
var present = []byte{1}
