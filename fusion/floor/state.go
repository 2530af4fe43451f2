package floor

// State is a state of the general floor control operation, one per floor (TS 24.380 §6.3.4).
type State uint8

// The states of a floor.
const (
	StartStop     State = iota // 'Start-stop' §6.3.4.2: nobody is there
	Idle                       // 'G: Floor Idle' §6.3.4.3
	Taken                      // 'G: Floor Taken' §6.3.4.4
	PendingRevoke              // 'G: pending Floor Revoke' §6.3.4.5: the tail of a revoked talker goes out
	Releasing                  // 'Releasing' §6.3.4.7: the call is over, seats are being cleared
	Initialising               // 'G: Floor Initialising' §6.3.4.8: a new arbiter asks who is talking
	states        = iota
)

// SeatState is the state of the basic floor control operation towards one participant (TS 24.380 §6.3.5).
// It follows from the floor's State, so it is computed and never stored.
type SeatState uint8

// The states of a seat.
const (
	SeatStartStop         SeatState = iota // §6.3.5.2: not there
	NotPermittedIdle                       // 'U: not permitted and Floor Idle' §6.3.5.3
	NotPermittedTaken                      // 'U: not permitted and Floor Taken' §6.3.5.4
	Permitted                              // 'U: permitted' §6.3.5.5
	PendingFloorRevoke                     // 'U: pending Floor Revoke' §6.3.5.6
	NotPermittedSends                      // 'U: not permitted but sends media' §6.3.5.7
	SeatReleasing                          // 'Releasing' §6.3.5.9
	NotPermittedInitiates                  // 'U: not permitted and initiating' §6.3.5.10
)
