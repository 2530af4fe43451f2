package state

// Reader reads one consistent state of the store.
type Reader interface {
	// Get gives the value of a key, nil when it has none. The value may be kept but not changed.
	Get(key []byte) ([]byte, error)
	// Scan visits the keys that begin with prefix, in order or in reverse, until visit returns false or an error. From
	// (a whole key that begins with prefix; nil for all) is the first one visited, or the next one in that
	// direction when it is absent. Key and value may not be kept beyond visit. visit does not write, nor scan again.
	Scan(prefix, from []byte, reverse bool, visit func(key, value []byte) (bool, error)) error
}

// Tx is one transaction on the store: its writes are seen by its own reads, and come into effect together or not at all.
// Key and value belong to the transaction once handed over.
type Tx interface {
	Reader
	Set(key, value []byte) error
	Delete(key []byte) error
}
