package board

import (
	"encoding/json"
	"log/slog"
	"sync/atomic"

	"github.com/guantong-net/guantong/fusion/identity"
)

// SessionTopic is the topic that sessions are told by.
const SessionTopic = "sessions"

// Sessions makes log-ins the site's: what changes at one node is told to the others, and a node that comes is told everything. Only
// hashes of tokens travel.
type Sessions struct {
	set     *identity.Sessions
	topic   Topic
	log     *slog.Logger
	strange atomic.Uint64
}

// ShareSessions has a set's sessions told from now on.
func ShareSessions(set *identity.Sessions, open Open, log *slog.Logger) *Sessions {
	s := &Sessions{set: set, log: log}
	s.topic = open(SessionTopic, s)
	set.Share(func(list []identity.Saved) { s.say("", list) })
	return s
}

func (s *Sessions) say(node string, list []identity.Saved) {
	for len(list) > 0 {
		part := list[:min(len(list), batch/512)]
		list = list[len(part):]
		data, err := json.Marshal(part)
		if err != nil {
			s.log.Error("sessions are not told to other nodes", "error", err)
			return
		}
		if node == "" {
			s.topic.Broadcast(data)
		} else {
			s.topic.Send(node, data)
		}
	}
}

// Up implements Handler.
func (s *Sessions) Up(node string) { s.say(node, s.set.Save()) }

// Down implements Handler: a session outlives the node where it began.
func (s *Sessions) Down(string) {}

// Hear implements Handler.
func (s *Sessions) Hear(_ string, data []byte) {
	var list []identity.Saved
	if len(data) > maxMessage || json.Unmarshal(data, &list) != nil {
		s.strange.Add(1)
		return
	}
	s.set.Merge(list)
}

// Strange counts messages that were not understood.
func (s *Sessions) Strange() uint64 { return s.strange.Load() }
