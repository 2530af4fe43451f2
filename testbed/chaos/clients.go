package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/testbed/peer"
	"github.com/guantong-net/guantong/testbed/site"
)

const (
	perNode = 2               // of each kind of client
	attempt = 3 * time.Second // until another node is asked
	retry   = 20 * time.Millisecond
	pace    = 120 * time.Millisecond // between two things that a client does, on average
)

// employ sets clients to work.
func (r *run) employ(ctx context.Context, clients *sync.WaitGroup) {
	number := 0
	start := func(work func(context.Context, *client)) {
		number++
		c := &client{r: r, number: number, at: number % len(r.s.Nodes), rand: rand.New(rand.NewPCG(r.c.Seed, uint64(100+number)))}
		clients.Go(func() {
			for ctx.Err() == nil {
				work(ctx, c)
				_ = pause(ctx, time.Duration(c.rand.Int64N(int64(2*pace)))) // the end is seen above
			}
		})
	}
	for range perNode * len(r.s.Nodes) {
		start((*run).post(r))
		start((*run).talk(r))
	}
	for range len(r.s.Nodes) {
		start((*run).edit(r))
		start((*run).sign(r))
	}
}

// client is one who works at a site.
type client struct {
	r      *run
	number int
	at     int // which node it asks
	rand   *rand.Rand
	seat   *seat // of one who talks
}

func (c *client) id() (id fusion.ID) {
	for i := range id {
		id[i] = byte(c.rand.Uint32())
	}
	return id
}

// persist asks until it is answered, going on to the next node each time; what final accepts is an answer too. It gives ctx's error when there is none.
func (c *client) persist(ctx context.Context, ask func(context.Context, *site.Node, *peer.API) error, final func(error) bool) error {
	for {
		n := c.r.s.Nodes[c.at]
		one, cancel := context.WithTimeout(ctx, attempt)
		err := ask(one, n, n.Admin())
		cancel()
		if err == nil || final(err) {
			return err
		}
		c.at = (c.at + 1) % len(c.r.s.Nodes)
		if pause(ctx, retry) != nil {
			return ctx.Err()
		}
	}
}

func never(error) bool { return false }

// post sends one message.
func (r *run) post() func(context.Context, *client) {
	return func(ctx context.Context, c *client) {
		id := c.id()
		m := wire.MessageRequest{To: []fusion.Number{r.unit}, Text: "演练 " + id.String(), Precedence: fusion.Routine}
		var got state.Message
		accepted := r.log.Append(c.number)
		err := c.persist(ctx, func(ctx context.Context, _ *site.Node, api *peer.API) error {
			got = state.Message{}
			err := api.CallAs(ctx, id, http.MethodPost, "/messages", m, &got)
			if err == nil && got.ID != id {
				err = fmt.Errorf("chaos: message %s was answered with %s", id, got.ID)
			}
			return err
		}, never)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.acked = append(r.acked, id)
		r.mu.Unlock()
		if got.Seq == 0 {
			return // held at the node: accepted there, and not in the site's order yet
		}
		accepted(got.Seq)
		select {
		case r.ripe <- id:
		default:
		}
	}
}

// sign moves the receipt of one message on, step by step.
func (r *run) sign() func(context.Context, *client) {
	return func(ctx context.Context, c *client) {
		var message fusion.ID
		select {
		case message = <-r.ripe:
		case <-ctx.Done():
			return
		}
		for _, to := range []state.ReceiptState{state.Delivered, state.Signed, state.Read} {
			at := r.signs.Push(c.number, message.String(), int(to))
			id := c.id()
			var got state.Receipt
			err := c.persist(ctx, func(ctx context.Context, _ *site.Node, api *peer.API) error {
				return api.CallAs(ctx, id, http.MethodPost, "/messages/"+message.String()+"/receipts", map[string]any{"recipient": r.unit, "state": to}, &got)
			}, never)
			if err != nil {
				at(-1)
				return
			}
			at(int(got.State))
		}
	}
}

// edited is how many groups are edited.
const edited = 3

// edit changes the name of a group that it has read, unless somebody else has meanwhile.
func (r *run) edit() func(context.Context, *client) {
	return func(ctx context.Context, c *client) {
		number := fusion.NewNumber(1, uint16(40+c.rand.IntN(edited)))
		g := state.Group{Number: number, Kind: state.TalkGroup, Precedence: fusion.Routine}
		err := c.persist(ctx, func(ctx context.Context, _ *site.Node, api *peer.API) error {
			var page struct {
				Items []state.Group `json:"items"`
			}
			err := api.Call(ctx, http.MethodGet, "/groups", nil, &page)
			for _, one := range page.Items {
				if one.Number == number {
					g = one
				}
			}
			return err
		}, never)
		if err != nil {
			return
		}
		id, seen := c.id(), g.Name
		g.Name = "g" + id.String()[:16]
		swap := r.groups.Swap(c.number, number.String(), seen, g.Name)
		stale := func(err error) bool { return refused(err, "revision_conflict") }
		err = c.persist(ctx, func(ctx context.Context, _ *site.Node, api *peer.API) error {
			return api.CallAs(ctx, id, http.MethodPut, "/groups/"+number.String(), g, nil)
		}, stale)
		switch {
		case err == nil:
			swap.Done(true)
		case stale(err):
			swap.Done(false)
		default:
			swap.Lost()
		}
	}
}
