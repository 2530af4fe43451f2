package disk

import "sync"

// Switch stands before an operation on a disk and decides what becomes of it. Its zero value lets everything through.
// Safe for concurrent use.
type Switch struct {
	mu   sync.Mutex
	err  error
	gate chan struct{} // closed when a hanging disk answers again
	hung int
}

// Do carries out an operation, or hangs until Heal, or fails with what Fail said without carrying it out.
func (s *Switch) Do(op func() error) error {
	s.mu.Lock()
	gate, err := s.gate, s.err
	if gate != nil {
		s.hung++
	}
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return err
	}
	return op()
}

// Hang lets operations from now on hang until Heal; then they are carried out.
func (s *Switch) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate == nil {
		s.gate = make(chan struct{})
	}
}

// Fail lets operations from now on fail.
func (s *Switch) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Heal lets operations through again, those that hang as well.
func (s *Switch) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		close(s.gate)
	}
	s.gate, s.err = nil, nil
}

// Hung is how many operations came upon a hanging disk.
func (s *Switch) Hung() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hung
}
