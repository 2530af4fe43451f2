package main

import (
	"context"
	"time"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion/state"
	"github.com/guantong-net/guantong/transports/power"
)

// openPower asks the UPS that the configuration names.
func (s *server) openPower(context.Context) (err error) {
	if s.cfg.Power.UPS == "" {
		return nil
	}
	s.power, err = power.New(power.Config{UPS: s.cfg.Power.UPS, Now: time.Now, Log: s.log})
	return err
}

// lowPower tells that this node will lose its power within minutes.
func (s *server) lowPower() bool { return s.power != nil && s.power.State().Critical() }

// powerStatus is what the UPS says, and why this node is degraded by it.
func (s *server) powerStatus() (*wire.Power, []string) {
	if s.power == nil {
		return nil, nil
	}
	st := s.power.State()
	p := &wire.Power{UPS: s.cfg.Power.UPS, Known: st.Known, OnBattery: st.OnBattery, Low: st.Low, Replace: st.Replace, Text: st.Status, Fault: st.Fault}
	if st.Charge >= 0 {
		p.Charge = &st.Charge
	}
	if st.Runtime >= 0 {
		seconds := int64(st.Runtime / time.Second)
		p.Runtime = &seconds
	}
	if !st.Since.IsZero() {
		p.Since = state.Millis(st.Since.UnixMilli())
	}
	switch {
	case !st.Known:
		return p, []string{"ups_unknown"}
	case st.Critical():
		return p, []string{"battery_low"}
	case st.OnBattery:
		return p, []string{"on_battery"}
	}
	return p, nil
}

// powerMetrics registers what the UPS says.
func (s *server) powerMetrics(gauge func(name, help string, f func() float64)) {
	if s.power == nil {
		return
	}
	flag := func(of func(power.State) bool) func() float64 {
		return func() float64 {
			if of(s.power.State()) {
				return 1
			}
			return 0
		}
	}
	gauge("power_known", "1 while the UPS is heard.", flag(func(p power.State) bool { return p.Known }))
	gauge("power_on_battery", "1 while this node lives from the battery of its UPS.", flag(func(p power.State) bool { return p.OnBattery }))
	gauge("power_low", "1 while that battery is nearly empty.", flag(func(p power.State) bool { return p.Low }))
	gauge("power_charge_percent", "Charge of the battery; -1: unknown.", func() float64 { return float64(s.power.State().Charge) })
	gauge("power_runtime_seconds", "How long the battery lasts; -1: unknown.", func() float64 {
		if d := s.power.State().Runtime; d >= 0 {
			return d.Seconds()
		}
		return -1
	})
}
