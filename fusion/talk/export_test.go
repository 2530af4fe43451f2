package talk

// Left counts what an exchange still holds: rooms, and claims on presses.
func (x *Exchange) Left() (rooms, claims int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pressMu.Lock()
	defer x.pressMu.Unlock()
	return len(x.rooms), len(x.heard)
}
