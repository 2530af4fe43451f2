package shelf

import "context"

// Push brings a content of this node to another one, for who has no Keeper: a node that comes back to its site. Nil: it is on that node's disk.
func Push(ctx context.Context, dial Dial, to Peer, store Store, name string) error {
	c := &client{dial: dial, pace: newPace(DefaultRate)}
	defer c.close()
	return c.push(ctx, to, store, name)
}
