package floor

import "fmt"

// Names for logs, JSON and screens. They are stable: translations and journals hang on them. Empty text is the zero value.

// named is one value of an enumeration; those of the standard have gaps.
type named[T ~uint8] struct {
	value T
	name  string
}

func nameOf[T ~uint8](names []named[T], v T, what string) string {
	for _, n := range names {
		if n.value == v {
			return n.name
		}
	}
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%s(%d)", what, uint8(v))
}

func marshal[T ~uint8](names []named[T], v T, what string) ([]byte, error) {
	for _, n := range names {
		if n.value == v {
			return []byte(n.name), nil
		}
	}
	if v == 0 {
		return []byte{}, nil
	}
	return nil, fmt.Errorf("floor: no %s %d", what, uint8(v))
}

func unmarshal[T ~uint8](names []named[T], v *T, text []byte, what string) error {
	if len(text) == 0 {
		*v = 0
		return nil
	}
	for _, n := range names {
		if n.name == string(text) {
			*v = n.value
			return nil
		}
	}
	return fmt.Errorf("floor: no %s %q", what, text)
}

var (
	kindNames = []named[Kind]{
		{Join, "join"}, {Leave, "leave"}, {Request, "request"}, {Release, "release"}, {Media, "media"}, {BreakIn, "break_in"},
		{ForceClear, "force_clear"}, {EmergencyRaise, "emergency_raise"}, {EmergencyClear, "emergency_clear"}, {Revoke, "revoke"},
		{QueuePosition, "queue_position"}, {Carry, "carry"}, {Close, "close"}, {EndOfMedia, "t1_end_of_media"}, {TalkWarn, "talk_warning"},
		{StopTalking, "t2_stop_talking"}, {StopTalkingGrace, "t3_grace"}, {Inactive, "t4_inactivity"}, {Settled, "settled"},
		{QueueExpired, "queue_expired"}, {Regrouped, "regrouped"},
	}
	typeNames = []named[Type]{
		{FloorRequest, "floor_request"}, {FloorGranted, "floor_granted"}, {FloorTaken, "floor_taken"}, {FloorDeny, "floor_deny"},
		{FloorRelease, "floor_release"}, {FloorIdle, "floor_idle"}, {FloorRevoke, "floor_revoke"},
		{QueuePositionRequest, "queue_position_request"}, {QueuePositionInfo, "queue_position_info"}, {QueueCancel, "queue_cancel"},
		{BurstStart, "burst_start"}, {BurstEnd, "burst_end"}, {TalkWarning, "talk_warning"}, {MediaDiscard, "media_discard"},
		{MediaTail, "media_tail"}, {CallEnd, "call_end"},
	}
	denyNames = []named[DenyCause]{
		{AnotherHasPermission, "another_has_permission"}, {InternalError, "internal_error"}, {OnlyOneParticipant, "only_one_participant"},
		{RetryAfter, "retry_after"}, {ReceiveOnly, "receive_only"}, {NoResources, "no_resources"}, {QueueFull, "queue_full"}, {DenyOther, "other"},
	}
	revokeNames = []named[RevokeCause]{
		{OnlyOneClient, "only_one_client"}, {BurstTooLong, "burst_too_long"}, {NoPermission, "no_permission"}, {BurstPreempted, "burst_preempted"},
		{NoResourcesLeft, "no_resources"}, {RevokedByAnother, "revoked_by_another"}, {RevokeOther, "other"},
	}
	endNames = []named[EndCause]{
		{Released, "released"}, {TooLong, "too_long"}, {Preempted, "preempted"}, {Forced, "forced"}, {Withdrawn, "withdrawn"},
		{Silent, "silent"}, {Left, "left"}, {CallEnded, "call_ended"}, {Superseded, "superseded"},
	}
	stateNames = []named[State]{
		{StartStop, "start_stop"}, {Idle, "idle"}, {Taken, "taken"}, {PendingRevoke, "pending_revoke"}, {Releasing, "releasing"}, {Initialising, "initialising"},
	}
	seatNames = []named[SeatState]{
		{SeatStartStop, "start_stop"}, {NotPermittedIdle, "not_permitted_idle"}, {NotPermittedTaken, "not_permitted_taken"}, {Permitted, "permitted"},
		{PendingFloorRevoke, "pending_revoke"}, {NotPermittedSends, "not_permitted_sends"}, {SeatReleasing, "releasing"}, {NotPermittedInitiates, "initiating"},
	}
	clientStateNames = []named[ClientState]{
		{ClientStartStop, "start_stop"}, {HasNoPermission, "has_no_permission"}, {PendingRequest, "pending_request"}, {HasPermission, "has_permission"},
		{PendingRelease, "pending_release"}, {ClientReleasing, "releasing"}, {ClientQueued, "queued"},
	}
	clientKindNames = []named[ClientKind]{
		{Begin, "begin"}, {Press, "press"}, {LetGo, "let_go"}, {Ask, "ask_position"}, {Heard, "speech"}, {Stop, "stop"}, {Ended, "ended"},
		{HeardGranted, "granted"}, {HeardTaken, "taken"}, {HeardDeny, "deny"}, {HeardIdle, "idle"}, {HeardRevoke, "revoke"},
		{HeardPosition, "queue_position"}, {HeardCancel, "queue_cancel"}, {HeardCallEnd, "call_end"}, {HeardWarning, "talk_warning"},
		{NoReleaseAnswer, "t100"}, {NoRequestAnswer, "t101"}, {SpeechOver, "t103"}, {NoPositionAnswer, "t104"}, {GraceOver, "grace_over"},
	}
	orderNames = []named[OrderType]{
		{SendRequest, "send_request"}, {SendRelease, "send_release"}, {SendPosition, "send_position_request"}, {MicOn, "mic_on"},
		{MicOff, "mic_off"}, {Notify, "notify"}, {HangUp, "hang_up"},
	}
	floorKindNames = []named[FloorKind]{{Group, "group"}, {Broadcast, "broadcast"}, {Private, "private"}, {Temporary, "temporary"}}
	levelNames     = []named[Level]{
		{ByEmergency, "emergency"}, {ByBreakIn, "break_in"}, {ByPrecedence, "precedence"}, {ByUser, "user"}, {ByGroup, "group"},
	}
)

// String gives the name.
func (v Kind) String() string { return nameOf(kindNames, v, "input") }

// MarshalText writes the name.
func (v Kind) MarshalText() ([]byte, error) { return marshal(kindNames, v, "input") }

// UnmarshalText reads the name.
func (v *Kind) UnmarshalText(text []byte) error { return unmarshal(kindNames, v, text, "input") }

// String gives the name.
func (v Type) String() string { return nameOf(typeNames, v, "type") }

// MarshalText writes the name.
func (v Type) MarshalText() ([]byte, error) { return marshal(typeNames, v, "type") }

// UnmarshalText reads the name.
func (v *Type) UnmarshalText(text []byte) error { return unmarshal(typeNames, v, text, "type") }

// String gives the name.
func (v DenyCause) String() string { return nameOf(denyNames, v, "deny cause") }

// MarshalText writes the name.
func (v DenyCause) MarshalText() ([]byte, error) { return marshal(denyNames, v, "deny cause") }

// UnmarshalText reads the name.
func (v *DenyCause) UnmarshalText(text []byte) error {
	return unmarshal(denyNames, v, text, "deny cause")
}

// String gives the name.
func (v RevokeCause) String() string { return nameOf(revokeNames, v, "revoke cause") }

// MarshalText writes the name.
func (v RevokeCause) MarshalText() ([]byte, error) { return marshal(revokeNames, v, "revoke cause") }

// UnmarshalText reads the name.
func (v *RevokeCause) UnmarshalText(text []byte) error {
	return unmarshal(revokeNames, v, text, "revoke cause")
}

// String gives the name.
func (v EndCause) String() string { return nameOf(endNames, v, "end cause") }

// MarshalText writes the name.
func (v EndCause) MarshalText() ([]byte, error) { return marshal(endNames, v, "end cause") }

// UnmarshalText reads the name.
func (v *EndCause) UnmarshalText(text []byte) error { return unmarshal(endNames, v, text, "end cause") }

// String gives the name.
func (v State) String() string { return nameOf(stateNames, v, "state") }

// MarshalText writes the name.
func (v State) MarshalText() ([]byte, error) { return marshal(stateNames, v, "state") }

// UnmarshalText reads the name.
func (v *State) UnmarshalText(text []byte) error { return unmarshal(stateNames, v, text, "state") }

// String gives the name.
func (v SeatState) String() string { return nameOf(seatNames, v, "seat state") }

// MarshalText writes the name.
func (v SeatState) MarshalText() ([]byte, error) { return marshal(seatNames, v, "seat state") }

// UnmarshalText reads the name.
func (v *SeatState) UnmarshalText(text []byte) error {
	return unmarshal(seatNames, v, text, "seat state")
}

// String gives the name.
func (v FloorKind) String() string { return nameOf(floorKindNames, v, "floor kind") }

// MarshalText writes the name.
func (v FloorKind) MarshalText() ([]byte, error) { return marshal(floorKindNames, v, "floor kind") }

// UnmarshalText reads the name.
func (v *FloorKind) UnmarshalText(text []byte) error {
	return unmarshal(floorKindNames, v, text, "floor kind")
}

// String gives the name.
func (v Level) String() string { return nameOf(levelNames, v, "level") }

// MarshalText writes the name.
func (v Level) MarshalText() ([]byte, error) { return marshal(levelNames, v, "level") }

// UnmarshalText reads the name.
func (v *Level) UnmarshalText(text []byte) error { return unmarshal(levelNames, v, text, "level") }

// String gives the name.
func (v ClientState) String() string { return nameOf(clientStateNames, v, "client state") }

// MarshalText writes the name.
func (v ClientState) MarshalText() ([]byte, error) {
	return marshal(clientStateNames, v, "client state")
}

// UnmarshalText reads the name.
func (v *ClientState) UnmarshalText(text []byte) error {
	return unmarshal(clientStateNames, v, text, "client state")
}

// String gives the name.
func (v ClientKind) String() string { return nameOf(clientKindNames, v, "client input") }

// MarshalText writes the name.
func (v ClientKind) MarshalText() ([]byte, error) { return marshal(clientKindNames, v, "client input") }

// UnmarshalText reads the name.
func (v *ClientKind) UnmarshalText(text []byte) error {
	return unmarshal(clientKindNames, v, text, "client input")
}

// String gives the name.
func (v OrderType) String() string { return nameOf(orderNames, v, "order") }

// MarshalText writes the name.
func (v OrderType) MarshalText() ([]byte, error) { return marshal(orderNames, v, "order") }

// UnmarshalText reads the name.
func (v *OrderType) UnmarshalText(text []byte) error { return unmarshal(orderNames, v, text, "order") }
