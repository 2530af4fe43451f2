package command

import (
	"github.com/guantong-net/guantong/fusion"
)

// Version is the envelope's format version.
const Version = 1

// Type says what a command does. Numbers are never used again.
type Type uint16

// Flags of a command.
type Flags uint8

// Skippable marks a command that a node which does not know it may pass over.
const Skippable Flags = 1

// Command is one change of the record plane.
type Command struct {
	Version uint8     `cbor:"1,keyasint"`
	Type    Type      `cbor:"2,keyasint"`
	ID      fusion.ID `cbor:"3,keyasint"`           // request ID: applied once
	HLC     uint64    `cbor:"4,keyasint"`           // the proposer's hybrid logical clock
	At      int64     `cbor:"5,keyasint"`           // the proposer's wall clock, milliseconds UTC
	By      string    `cbor:"6,keyasint"`           // user name on whose behalf, or "system"
	From    string    `cbor:"7,keyasint,omitempty"` // where the request came from, for the audit
	Flags   Flags     `cbor:"8,keyasint,omitempty"`
	Payload []byte    `cbor:"9,keyasint"` // CBOR of the payload that the type names
}

// The types, by subject.
const (
	GroupSet        Type = 1  // state.Group
	GroupDelete     Type = 2  // state.NumberKey
	MemberSet       Type = 3  // state.Member
	MemberDelete    Type = 4  // state.Member (group and unit)
	UnitSet         Type = 5  // state.Unit
	UnitDelete      Type = 6  // state.NumberKey
	UserSet         Type = 7  // state.UserChange
	UserDelete      Type = 8  // state.NameKey
	UserSecretSet   Type = 9  // state.UserSecretChange
	UserEndSessions Type = 10 // state.NameKey: raises the user's epoch
	ExtensionSet    Type = 11 // state.ExtensionChange
	ExtensionDelete Type = 12 // state.NumberKey
	PositionSet     Type = 13 // state.Position
	PositionDelete  Type = 14 // state.NumberKey
	PositionTake    Type = 15 // state.HandoverChange: sit down, leave, or hand over
	PatchSet        Type = 16 // state.Patch
	PatchPart       Type = 17 // state.IDKey

	MessagePost   Type = 30 // state.Message
	ReceiptAdd    Type = 31 // state.ReceiptChange
	AlertRaise    Type = 32 // state.Alert
	AlertAck      Type = 33 // state.AlertChange
	AlertClear    Type = 34 // state.AlertChange
	AlertEscalate Type = 35 // state.AlertChange
	BurstIndex    Type = 36 // state.Burst
	CallLog       Type = 37 // state.CallRecord
	FileStored    Type = 38 // state.Attachment: its content is synced on a majority
	ObjectKeep    Type = 39 // state.KeepChange: a message or burst that retention passes over

	AuditAdd     Type = 50 // state.Audit without Seq, Prev, Hash
	Expire       Type = 51 // state.ExpireChange: retention and lifetimes up to a moment
	EventsTrim   Type = 52 // state.SeqKey: forget events up to this one
	SiteSet      Type = 53 // state.Site
	NodeSet      Type = 54 // state.Node: what Raft's configuration made of it
	NodeWish     Type = 55 // state.NodeWishChange
	TokenAdd     Type = 56 // state.JoinToken
	TokenUse     Type = 57 // state.TokenUse
	SiteRecover  Type = 58 // state.Recovery: a new incarnation, whose only node this one is
	VersionRaise Type = 59 // state.VersionChange: every node knows the commands up to this cluster version
	Batch        Type = 60 // state.BatchChange: several commands as one, all or nothing
	NodeAnnounce Type = 61 // state.NodeAddresses: where clients reach a node
)
