package desk

// Outgoing counts the calls that take places of a class of service.
func (s *Switchboard) Outgoing() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.out {
		n += v
	}
	return n
}
