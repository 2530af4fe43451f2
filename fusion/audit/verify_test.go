package audit_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/audit"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

const ms = 1_800_000_000_000

// chain applies n audit entries and gives the store and what it holds.
func chain(t testing.TB, n int) (*state.Memory, []state.Audit) {
	t.Helper()
	mem, m := state.NewMemory(), state.New()
	for i := range n {
		apply(t, m, mem, command.AuditAdd, byte(i), ms+int64(i), state.Audit{Action: "login", Target: "zhang", Result: "ok"})
	}
	return mem, entries(t, mem)
}

func apply(t testing.TB, m *state.Machine, tx state.Tx, typ command.Type, id byte, at int64, payload any) {
	t.Helper()
	cmd, err := command.New(typ, fusion.ID{byte(typ), id}, uint64(at)<<16, at, "zhang", payload)
	if err != nil {
		t.Fatal(err)
	}
	res, _, err := m.Apply(tx, cmd, 1)
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func entries(t testing.TB, r state.Reader) []state.Audit {
	t.Helper()
	all, err := state.NewView(r).Audit(0, state.MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func seq(all []state.Audit) iter.Seq2[state.Audit, error] {
	return func(yield func(state.Audit, error) bool) {
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func TestAWholeChainVerifies(t *testing.T) {
	_, all := chain(t, 20)
	head, err := audit.Verify(seq(all))
	if err != nil || head.Seq != 20 {
		t.Fatalf("head %d, %v", head.Seq, err)
	}
}

func TestAnEmptyChainVerifies(t *testing.T) {
	if _, err := audit.Verify(seq(nil)); err != nil {
		t.Fatal(err)
	}
}

func TestEveryTamperingIsNamedAtItsEntry(t *testing.T) {
	_, all := chain(t, 20)
	rapid.Check(t, func(rt *rapid.T) {
		forged := append([]state.Audit(nil), all...)
		i := rapid.IntRange(0, len(forged)-1).Draw(rt, "entry")
		switch rapid.SampledFrom([]string{"by", "at", "action", "target", "result", "from", "detail", "hash", "prev", "alg", "remove", "swap"}).Draw(rt, "what") {
		case "by":
			forged[i].By += "x"
		case "at":
			forged[i].At++
		case "action":
			forged[i].Action = "logout"
		case "target":
			forged[i].Target = "li"
		case "result":
			forged[i].Result = "refused"
		case "from":
			forged[i].From = "10.0.0.1"
		case "detail":
			forged[i].Detail = "x"
		case "hash":
			forged[i].Hash = append([]byte{^forged[i].Hash[0]}, forged[i].Hash[1:]...)
		case "prev":
			forged[i].Prev = append([]byte{1}, forged[i].Prev...)
		case "alg":
			forged[i].Alg = "none"
		case "remove":
			if i == len(forged)-1 {
				rt.Skip("cut at its end: shown by a checkpoint")
			}
			forged = append(forged[:i], forged[i+1:]...)
		case "swap":
			if i == len(forged)-1 {
				rt.Skip("nothing behind it")
			}
			forged[i], forged[i+1] = forged[i+1], forged[i]
		}
		if _, err := audit.Verify(seq(forged)); !errors.Is(err, audit.ErrBroken) {
			rt.Fatalf("got %v", err)
		}
	})
}

func TestACutEndIsShownByACheckpoint(t *testing.T) {
	_, all := chain(t, 20)
	checkpoint := audit.Head{Seq: 20, Hash: all[19].Hash}
	if _, err := audit.VerifyTo(seq(all), checkpoint); err != nil {
		t.Fatal(err)
	}
	_, err := audit.VerifyTo(seq(all[:19]), checkpoint)
	if !errors.Is(err, audit.ErrBroken) || !strings.Contains(err.Error(), "entry 20") {
		t.Fatalf("got %v", err)
	}
}

func TestARewrittenChainIsShownByACheckpoint(t *testing.T) {
	_, all := chain(t, 20)
	_, other := chain(t, 21)
	if _, err := audit.VerifyTo(seq(other[1:]), audit.Head{Seq: 20, Hash: all[19].Hash}); !errors.Is(err, audit.ErrBroken) {
		t.Fatalf("got %v", err)
	}
}

func TestWhatRetentionTookIsVouchedFor(t *testing.T) {
	mem, _ := chain(t, 20)
	apply(t, state.New(), mem, command.Expire, 1, ms+100, state.ExpireChange{Now: ms + 100, Audit: ms + 10})
	rest := entries(t, mem)
	if rest[0].Seq != 11 {
		t.Fatalf("the first one kept is %d", rest[0].Seq)
	}
	if _, err := audit.Verify(seq(rest)); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(seq(rest[1:])); !errors.Is(err, audit.ErrBroken) {
		t.Fatalf("stolen entry 11: got %v", err)
	}
}

func TestAStolenStartIsNoticed(t *testing.T) {
	_, all := chain(t, 20)
	if _, err := audit.Verify(seq(all[5:])); !errors.Is(err, audit.ErrBroken) {
		t.Fatalf("got %v", err)
	}
}
