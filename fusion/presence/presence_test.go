package presence_test

import (
	"testing"
	"time"

	"github.com/guantong-net/guantong/fusion/presence"
)

func TestAUnitIsThereAsLongAsOneWayIs(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := presence.New(func() time.Time { return now })
	var told []presence.Entry
	cancel := b.Subscribe(func(e presence.Entry) { told = append(told, e) })
	console := b.Enter(12001, "console")
	second := b.Enter(12001, "console")
	phone := b.Enter(12001, "phone")
	console()
	console()
	if e := b.Of(12001); !e.Online || e.Via != "console" {
		t.Errorf("%+v", e)
	}
	second()
	if e := b.Of(12001); !e.Online || e.Via != "phone" {
		t.Errorf("%+v", e)
	}
	now = now.Add(time.Minute)
	phone()
	if e := b.Of(12001); e.Online || !e.Since.Equal(now) {
		t.Errorf("%+v", e)
	}
	if len(told) != 3 || len(b.Online()) != 0 || b.Count("console") != 0 {
		t.Errorf("told %v, online %v", told, b.Online())
	}
	cancel()
	b.Enter(0, "console")()
	b.Enter(12002, "console")
	if len(told) != 3 {
		t.Error("told after cancel")
	}
}
