package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"time"
)

// Status is what a node says of itself to an operator on its machine, as far as drills look at it.
type Status struct {
	Record struct {
		Role      string `json:"role"`
		Leader    string `json:"leader"`
		Epoch     uint64 `json:"epoch"`
		LastIndex uint64 `json:"last_index"`
		Applied   uint64 `json:"applied"`
		Held      int    `json:"held"`
		Fault     string `json:"fault"`
		Nodes     []struct {
			ID   string `json:"id"`
			Role string `json:"role"`
		} `json:"nodes"`
	} `json:"record"`
}

// statusLimit is how long a node may take to tell how it is: one that is stopped never does.
const statusLimit = 300 * time.Millisecond

// Status asks the node how it is; one that does not answer gives the zero Status.
func (n *Node) Status() (st Status) {
	ctx, cancel := context.WithTimeout(context.Background(), statusLimit)
	defer cancel()
	if n.say(ctx, "status", &st) != nil {
		return Status{}
	}
	return st
}

// Command has the node carry out an operator's command, as guantong NAME does, and gives its answer.
func (n *Node) Command(ctx context.Context, line string) (string, error) {
	var answer struct{ Text, Error string }
	if err := n.say(ctx, line, &answer); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return "", fmt.Errorf("site: %s: %s: %s", n.ID, line, answer.Error)
	}
	return answer.Text, nil
}

// say speaks to the control socket in the node's data folder, which needs no network.
func (n *Node) say(ctx context.Context, line string, answer any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(n.Data(), "control.sock"))
	if err != nil {
		return fmt.Errorf("site: %s: %w", n.ID, err)
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			return fmt.Errorf("site: %s: %w", n.ID, err)
		}
	}
	_, err = io.WriteString(conn, line+"\n")
	if err = errors.Join(err, json.NewDecoder(conn).Decode(answer)); err != nil {
		return fmt.Errorf("site: %s: %s: %w", n.ID, line, err)
	}
	return nil
}
