package wire

import "github.com/guantong-net/guantong/fusion/state"

// ShiftLog is what happened at a position in a span of time: GET /positions/{n}/log.
type ShiftLog struct {
	Position  state.Position     `json:"position"`
	From      state.Millis       `json:"from"`
	To        state.Millis       `json:"to"`
	Handovers []state.Handover   `json:"handovers"`
	Messages  []state.Message    `json:"messages"`
	Alerts    []state.Alert      `json:"alerts"`
	Calls     []state.CallRecord `json:"calls"`
	Unsigned  []state.Message    `json:"unsigned"` // still to be signed for
}
