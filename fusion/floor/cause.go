package floor

// DenyCause is the reject cause of a Floor Deny (TS 24.380 §8.2.6.2).
type DenyCause uint8

// The causes of a denial.
const (
	AnotherHasPermission DenyCause = 1 // another client has the permission, and nobody queues here
	InternalError        DenyCause = 2 // the request was not usable: no burst ID
	OnlyOneParticipant   DenyCause = 3
	RetryAfter           DenyCause = 4 // T9 still runs after a revocation: see Output.Retry
	ReceiveOnly          DenyCause = 5 // no right to talk here
	NoResources          DenyCause = 6
	QueueFull            DenyCause = 7
	DenyOther            DenyCause = 255 // not a dispatcher, or the call is ending
)

// RevokeCause is the reject cause of a Floor Revoke (TS 24.380 §8.2.10.2).
type RevokeCause uint8

// The causes of a revocation.
const (
	OnlyOneClient    RevokeCause = 1
	BurstTooLong     RevokeCause = 2
	NoPermission     RevokeCause = 3 // sends without permission, or the right was withdrawn
	BurstPreempted   RevokeCause = 4
	NoResourcesLeft  RevokeCause = 6
	RevokedByAnother RevokeCause = 7   // since Release 19: a dispatcher's force-clear
	RevokeOther      RevokeCause = 255 // nothing was heard of the talker
)

// EndCause says why a burst ended; it goes into the burst's record.
type EndCause uint8

// The ends of a burst.
const (
	Released   EndCause = iota + 1 // the talker let go
	TooLong                        // the talk limit
	Preempted                      // somebody more urgent
	Forced                         // 强拆
	Withdrawn                      // the right to talk was withdrawn
	Silent                         // no packet for too long
	Left                           // the talker left
	CallEnded                      // the whole call ended
	Superseded                     // two grants met and the other one won
)
