package state_test

import (
	"slices"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/state"
)

func TestTheFilesOfACommandAreFoundInABatchToo(t *testing.T) {
	make := func(k command.Type, payload any) command.Command {
		cmd, err := command.New(k, fusion.ID{1}, 1, 1, "x", payload)
		if err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	m := make(command.MessagePost, state.Message{Attachments: []state.Attachment{{Hash: "a"}, {Hash: "b"}, {Hash: "a"}}})
	b := make(command.BurstIndex, state.Burst{File: "c"})
	f := make(command.FileStored, state.Attachment{Hash: "b"})
	names, err := state.FilesOf(make(command.Batch, state.BatchChange{Commands: []command.Command{m, b, f, make(command.UnitSet, state.Unit{})}}))
	if err != nil || !slices.Equal(names, []string{"a", "b", "c"}) {
		t.Error(names, err)
	}
	m.Payload = []byte{0xff}
	if _, err := state.FilesOf(m); err == nil {
		t.Error("nonsense was read")
	}
}
