package board

// Topic sends to the same topic of the site's other nodes, in order. It does not block, and may be called with locks held that a
// Handler takes.
type Topic interface {
	Send(node string, message []byte)
	Broadcast(message []byte)
}

// Handler is told what comes by a topic: one call at a time, in order.
type Handler interface {
	Up(node string)   // the node is there: it must be sent what it has to know
	Down(node string) // it is gone
	Hear(node string, message []byte)
}

// Open opens a topic by its name.
type Open func(name string, h Handler) Topic

// Alone opens the topics of a node that has no others.
func Alone(string, Handler) Topic { return nobody{} }

type nobody struct{}

func (nobody) Send(string, []byte) {}
func (nobody) Broadcast([]byte)    {}

// The limits of a message.
const (
	maxMessage = 256 << 10 // octets that are read
	batch      = 32 << 10  // octets of entries, about, that one message carries
)
