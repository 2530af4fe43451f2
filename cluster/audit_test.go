package cluster_test

import (
	"testing"

	"github.com/guantong-net/guantong/cluster"
	"github.com/guantong-net/guantong/fusion/state"
)

// audited gives the audit entries of an action.
func audited(t *testing.T, n *cluster.Node, action string) (out []state.Audit) {
	t.Helper()
	err := n.View(func(v *state.View) error {
		all, err := v.Audit(1, 10_000)
		for _, a := range all {
			if a.Action == action {
				out = append(out, a)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
