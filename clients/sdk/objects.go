package sdk

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/state"
)

// Site tells what site the node belongs to.
func (c *Client) Site(ctx context.Context) (wire.SiteInfo, error) {
	return get[wire.SiteInfo](ctx, c, "/site", nil)
}

// Status tells what the node is doing.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	return get[wire.Status](ctx, c, "/status", nil)
}

// Nodes tells how the nodes of the site are.
func (c *Client) Nodes(ctx context.Context) ([]wire.NodeState, error) {
	return list[wire.NodeState](ctx, c, "/nodes", nil, 0)
}

// Groups lists the groups that one may see.
func (c *Client) Groups(ctx context.Context) ([]state.Group, error) {
	return list[state.Group](ctx, c, "/groups", nil, 0)
}

// PutGroup makes (Revision 0) or changes a group.
func (c *Client) PutGroup(ctx context.Context, g state.Group) (state.Group, error) {
	return put[state.Group](ctx, c, "/groups/"+g.Number.String(), g)
}

// DeleteGroup removes a group.
func (c *Client) DeleteGroup(ctx context.Context, n fusion.Number) error {
	return c.delete(ctx, "/groups/"+n.String())
}

func (c *Client) delete(ctx context.Context, path string) error {
	return c.do(ctx, request{method: "DELETE", path: v1 + path, key: NewID()}, nil)
}

// Members lists the members of a group.
func (c *Client) Members(ctx context.Context, group fusion.Number) ([]state.Member, error) {
	return list[state.Member](ctx, c, "/groups/"+group.String()+"/members", nil, 0)
}

// PutMember makes a unit a member, or changes its right.
func (c *Client) PutMember(ctx context.Context, m state.Member) (state.Member, error) {
	return put[state.Member](ctx, c, "/groups/"+m.Group.String()+"/members/"+m.Unit.String(), m)
}

// DeleteMember takes a unit out of a group.
func (c *Client) DeleteMember(ctx context.Context, group, unit fusion.Number) error {
	return c.delete(ctx, "/groups/"+group.String()+"/members/"+unit.String())
}

// Units lists the units.
func (c *Client) Units(ctx context.Context) ([]state.Unit, error) {
	return list[state.Unit](ctx, c, "/units", nil, 0)
}

// PutUnit makes or changes a unit.
func (c *Client) PutUnit(ctx context.Context, u state.Unit) (state.Unit, error) {
	return put[state.Unit](ctx, c, "/units/"+u.Number.String(), u)
}

// Users lists the users.
func (c *Client) Users(ctx context.Context) ([]state.User, error) {
	return list[state.User](ctx, c, "/users", nil, 0)
}

// PutUser makes or changes a user. Password may be empty; a new user is then given one, which is answered.
func (c *Client) PutUser(ctx context.Context, u state.User, password string) (made string, err error) {
	body := struct {
		User     state.User `json:"user"`
		Password string     `json:"password,omitempty"`
	}{u, password}
	out, err := put[struct {
		Password string `json:"password"`
	}](ctx, c, "/users/"+url.PathEscape(u.Name), body)
	return out.Password, err
}

// PutExtension makes or changes a telephone's account. Password may be empty; a new one is then given one, which is answered.
func (c *Client) PutExtension(ctx context.Context, e state.Extension, password string) (made string, err error) {
	body := struct {
		Extension state.Extension `json:"extension"`
		Password  string          `json:"password,omitempty"`
	}{e, password}
	out, err := put[struct {
		Password string `json:"password"`
	}](ctx, c, "/extensions/"+e.Unit.String(), body)
	return out.Password, err
}

// PutPosition makes or changes a desk.
func (c *Client) PutPosition(ctx context.Context, p state.Position) (state.Position, error) {
	return put[state.Position](ctx, c, "/positions/"+p.Number.String(), p)
}

// Positions lists the desks.
func (c *Client) Positions(ctx context.Context) ([]state.Position, error) {
	return list[state.Position](ctx, c, "/positions", nil, 0)
}

// TakePosition sits down at a desk; LeavePosition leaves it.
func (c *Client) TakePosition(ctx context.Context, n fusion.Number, note string) (state.Position, error) {
	return post[state.Position](ctx, c, "/positions/"+n.String()+"/take", NewID(), map[string]string{"note": note})
}

// LeavePosition leaves a desk.
func (c *Client) LeavePosition(ctx context.Context, n fusion.Number, note string) (state.Position, error) {
	return post[state.Position](ctx, c, "/positions/"+n.String()+"/leave", NewID(), map[string]string{"note": note})
}

// Patch joins groups; Part parts them.
func (c *Client) Patch(ctx context.Context, name string, groups ...fusion.Number) (state.Patch, error) {
	return post[state.Patch](ctx, c, "/patches", NewID(), map[string]any{"name": name, "groups": groups})
}

// Patches lists the standing patches.
func (c *Client) Patches(ctx context.Context) ([]state.Patch, error) {
	return list[state.Patch](ctx, c, "/patches", nil, 0)
}

// Part ends a patch.
func (c *Client) Part(ctx context.Context, id fusion.ID) error {
	return c.delete(ctx, "/patches/"+id.String())
}

// Import takes a CSV file; with check nothing is changed.
func (c *Client) Import(ctx context.Context, csv io.Reader, check bool) (wire.ImportReply, error) {
	q := url.Values{}
	if check {
		q.Set("check", "1")
	}
	var out wire.ImportReply
	err := c.do(ctx, request{method: "POST", path: v1 + "/import", query: q, body: csv, kind: "text/csv", key: NewID()}, &out)
	return out, err
}

// Post sends a message. The ID is the message's; sent again with the same one it is sent once. A message that comes back with Seq 0 was held: it is on the
// disk of a node that has no quorum, which has it committed when there is one.
func (c *Client) Post(ctx context.Context, id fusion.ID, m wire.MessageRequest) (state.Message, error) {
	return post[state.Message](ctx, c, "/messages", id, m)
}

// Messages lists messages, the newest first: of one number, or (0) all that one may see.
func (c *Client) Messages(ctx context.Context, with fusion.Number, limit int) ([]state.Message, error) {
	q := url.Values{}
	if with != 0 {
		q.Set("to", with.String())
	}
	return list[state.Message](ctx, c, "/messages", q, limit)
}

// Mailbox lists the newest messages of one number, or (0) all that one may see, with the receipts that tell what is still to be read and signed for.
func (c *Client) Mailbox(ctx context.Context, with fusion.Number) (wire.MessagePage, error) {
	q := url.Values{"receipts": {"1"}}
	if with != 0 {
		q.Set("to", with.String())
	}
	return get[wire.MessagePage](ctx, c, "/messages", q)
}

// Search finds messages by their text.
func (c *Client) Search(ctx context.Context, text string) ([]state.Message, error) {
	return list[state.Message](ctx, c, "/messages", url.Values{"q": {text}}, 0)
}

// Receipts lists the receipts of a message.
func (c *Client) Receipts(ctx context.Context, message fusion.ID) ([]state.Receipt, error) {
	return list[state.Receipt](ctx, c, "/messages/"+message.String()+"/receipts", nil, 0)
}

// AddReceipt says that a message was delivered, read or signed for; recipient 0 is one's own unit.
func (c *Client) AddReceipt(ctx context.Context, message fusion.ID, recipient fusion.Number, st state.ReceiptState) (state.Receipt, error) {
	return post[state.Receipt](ctx, c, "/messages/"+message.String()+"/receipts", NewID(), map[string]any{"recipient": recipient, "state": st})
}

// Raise raises an emergency alert; the ID is the alert's. One that comes back with Raised 0 was held, as with Post.
func (c *Client) Raise(ctx context.Context, id fusion.ID, a wire.AlertRequest) (state.Alert, error) {
	return post[state.Alert](ctx, c, "/alerts", id, a)
}

// Alerts lists the alerts that are not cleared.
func (c *Client) Alerts(ctx context.Context) ([]state.Alert, error) {
	return list[state.Alert](ctx, c, "/alerts", url.Values{"open": {"1"}}, 0)
}

// AckAlert takes an alert; ClearAlert ends it.
func (c *Client) AckAlert(ctx context.Context, id fusion.ID) (state.Alert, error) {
	return post[state.Alert](ctx, c, "/alerts/"+id.String()+"/ack", NewID(), struct{}{})
}

// ClearAlert ends an alert.
func (c *Client) ClearAlert(ctx context.Context, id fusion.ID) (state.Alert, error) {
	return post[state.Alert](ctx, c, "/alerts/"+id.String()+"/clear", NewID(), struct{}{})
}

// BurstFilter chooses bursts. Zero members choose all.
type BurstFilter struct {
	Group, Talker fusion.Number
	From, To      state.Millis
	Limit         int
}

// Bursts lists recorded bursts, the newest first.
func (c *Client) Bursts(ctx context.Context, f BurstFilter) ([]state.Burst, error) {
	q := url.Values{}
	set := func(name string, v int64) {
		if v != 0 {
			q.Set(name, strconv.FormatInt(v, 10))
		}
	}
	set("group", int64(f.Group))
	set("talker", int64(f.Talker))
	set("from", int64(f.From))
	set("to", int64(f.To))
	return list[state.Burst](ctx, c, "/bursts", q, f.Limit)
}

// Audio opens a recording as Ogg Opus, or (raw) as it is stored. The caller closes it.
func (c *Client) Audio(ctx context.Context, burst fusion.ID, raw bool) (io.ReadCloser, error) {
	q := url.Values{}
	if raw {
		q.Set("raw", "1")
	}
	return c.open(ctx, "/bursts/"+burst.String()+"/audio", q, nil)
}

// File opens a stored file from an offset on. The caller closes it.
func (c *Client) File(ctx context.Context, hash string, offset int64) (io.ReadCloser, error) {
	h := http.Header{}
	if offset > 0 {
		h.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
	}
	return c.open(ctx, "/files/"+hash, nil, h)
}

// Export opens the ZIP of a time range. The caller closes it.
func (c *Client) Export(ctx context.Context, from, to state.Millis) (io.ReadCloser, error) {
	return c.open(ctx, "/export", url.Values{"from": {strconv.FormatInt(int64(from), 10)}, "to": {strconv.FormatInt(int64(to), 10)}}, nil)
}

func (c *Client) open(ctx context.Context, path string, q url.Values, h http.Header) (io.ReadCloser, error) {
	res, err := c.send(ctx, request{method: "GET", path: v1 + path, query: q, header: h})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// Calls lists the live calls.
func (c *Client) Calls(ctx context.Context) ([]wire.CallInfo, error) {
	return list[wire.CallInfo](ctx, c, "/calls", nil, 0)
}

// Place calls a number, or digits by a trunk.
type Place struct {
	To      fusion.Number `json:"to,omitempty"`
	Digits  string        `json:"digits,omitempty"`
	Trunk   string        `json:"trunk,omitempty"`
	Group   fusion.Number `json:"group,omitempty"`
	Private bool          `json:"private,omitempty"`
	Floor   bool          `json:"floor,omitempty"`
}

// Place places a call.
func (c *Client) Place(ctx context.Context, p Place) (wire.CallInfo, error) {
	return post[wire.CallInfo](ctx, c, "/calls", NewID(), p)
}

// CallDeed does something with a call: answer, hang, hold, resume, pickup, dismiss.
func (c *Client) CallDeed(ctx context.Context, id fusion.ID, deed string) error {
	return c.do(ctx, request{method: "POST", path: v1 + "/calls/" + id.String() + "/" + deed, body: struct{}{}, key: NewID()}, nil)
}

// Admit lets a call into a group.
func (c *Client) Admit(ctx context.Context, id fusion.ID, group fusion.Number) error {
	return c.do(ctx, request{method: "POST", path: v1 + "/calls/" + id.String() + "/admit", body: map[string]any{"group": group}, key: NewID()}, nil)
}

// Audit lists audit entries from a sequence number on.
func (c *Client) Audit(ctx context.Context, from uint64, limit int) ([]state.Audit, error) {
	return list[state.Audit](ctx, c, "/audit", url.Values{"from": {strconv.FormatUint(max(1, from), 10)}}, limit)
}
