package identity

// Hold takes n places among the checks for anybody until the returned function is called.
func Hold(h *Hasher, n int) (release func()) {
	for range n {
		h.lane <- struct{}{}
	}
	return func() {
		for range n {
			<-h.lane
		}
	}
}
