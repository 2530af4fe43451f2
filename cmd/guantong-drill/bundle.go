package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

// bundleSample is a text of 100 octets between the two sites with the highest numbers, at a time of now, for as long as flash may live.
func bundleSample(now time.Time) *bundle.Bundle {
	site := uint32(fusion.MaxSite)
	return bundle.New(bundle.Primary{
		CRC: bundle.CRC16, Destination: bundle.IPN(site, 7), Source: bundle.IPN(site-1, 7), ReportTo: bundle.IPN(site-1, 0),
		Created: bundle.Timestamp{Time: bundle.DTNTimeOf(now), Seq: 3}, Lifetime: 72 * 3600 * 1000,
	}, bytes.Repeat([]byte("x"), 100))
}

// benchBundle measures bundles of 100 octets: what is around them, and the CPU time and allocations to write and read them.
func benchBundle(ctx context.Context, d *drill) error {
	if d.rounds < 1 {
		return errors.New("bench bundle: -rounds at least 1")
	}
	now := time.Now()
	if err := d.bundleSizes(now); err != nil {
		return err
	}
	b := bundleSample(now)
	raw, err := b.Append(nil)
	if err != nil {
		return err
	}
	primary, payload := b.Primary, b.Payload()
	encode, err := d.cost(ctx, func() error { _, err := bundle.New(primary, payload).Append(nil); return err })
	if err != nil {
		return err
	}
	decode, err := d.cost(ctx, func() error { _, err := bundle.Decode(raw, bundle.Limits{}); return err })
	if err != nil {
		return err
	}
	d.atMost("encode_us", encode.us, 2)
	d.atMost("decode_us", decode.us, 2)
	d.figure("encode_allocs", encode.allocs)
	d.figure("decode_allocs", decode.allocs)
	d.atMost("allocs", max(encode.allocs, decode.allocs), 9)
	return d.bundleSecurity(ctx, now)
}

// bundleSizes tells what is around 100 octets, and what precedence and security add.
func (d *drill) bundleSizes(now time.Time) error {
	size := func(change func(b *bundle.Bundle) error) (float64, error) {
		b := bundleSample(now)
		if err := change(b); err != nil {
			return 0, err
		}
		raw, err := b.Append(nil)
		return float64(len(raw) - 100), err
	}
	signing, sealing := bundleKeys()
	bare, err := size(func(*bundle.Bundle) error { return nil })
	if err != nil {
		return err
	}
	d.atMost("overhead", bare, 56)
	for _, c := range []struct {
		name   string
		change func(b *bundle.Bundle) error
	}{
		{"overhead_crc32c_primary", func(b *bundle.Bundle) error {
			b.Primary.CRC, b.Blocks[0].CRC = bundle.CRC32C, bundle.NoCRC
			return nil
		}},
		{"more_for_precedence", func(b *bundle.Bundle) error { b.SetPrecedence(fusion.Flash); return nil }},
		{"more_for_hop_count", func(b *bundle.Bundle) error { b.SetHops(30, 0); return nil }},
		{"more_for_ion_qos", func(b *bundle.Bundle) error { b.SetQoS(bundle.QoSOf(fusion.Flash)); return nil }},
		{"more_for_signature", func(b *bundle.Bundle) error { return signing.Sign(b, bundle.PayloadNumber) }},
		{"more_for_seal", func(b *bundle.Bundle) error { return sealing.Seal(b, bundle.PayloadNumber) }},
	} {
		v, err := size(c.change)
		if err != nil {
			return err
		}
		if c.name != "overhead_crc32c_primary" {
			v -= bare
		}
		d.figure(c.name, v)
	}
	return nil
}

// bundleKeys are keys for trial; any will do.
func bundleKeys() (bundle.Integrity, bundle.Confidentiality) {
	here := bundle.Site(fusion.MaxSite - 1)
	return bundle.Integrity{Source: here, Key: bytes.Repeat([]byte{1}, 32)}, bundle.Confidentiality{Source: here, Key: bytes.Repeat([]byte{2}, 32)}
}

// bundleSecurity tells what it costs to sign, verify, seal and open, each with what is around it.
func (d *drill) bundleSecurity(ctx context.Context, now time.Time) error {
	signing, sealing := bundleKeys()
	signed, sealed := bundleSample(now), bundleSample(now)
	if err := errors.Join(signing.Sign(signed, bundle.PayloadNumber), sealing.Seal(sealed, bundle.PayloadNumber)); err != nil {
		return err
	}
	keys := func(op bundle.Operation) [][]byte {
		if op.Service == bundle.IntegrityBlock {
			return [][]byte{signing.Key}
		}
		return [][]byte{sealing.Key}
	}
	for _, c := range []struct {
		name string
		work func() error
	}{
		{"sign_us", func() error { return signing.Sign(bundleSample(now), bundle.PayloadNumber) }},
		{"verify_us", func() error { _, err := signed.Verify(keys); return err }},
		{"seal_us", func() error { return sealing.Seal(bundleSample(now), bundle.PayloadNumber) }},
		{"open_us", func() error { _, err := sealed.Clone().Accept(keys); return err }},
	} {
		v, err := d.cost(ctx, c.work)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		d.figure(c.name, v.us)
	}
	return nil
}

// cost is of one piece of work.
type cost struct{ us, allocs float64 }

// piecesOfWork are done in one round.
const piecesOfWork = 50000

// cost takes the median of the rounds, in CPU time of this process: what others do on the machine is not counted.
func (d *drill) cost(ctx context.Context, work func() error) (cost, error) {
	var us []float64
	var allocs float64
	for range d.rounds {
		if err := ctx.Err(); err != nil {
			return cost{}, err
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start, err := cpuTime()
		if err != nil {
			return cost{}, err
		}
		for range piecesOfWork {
			if err := work(); err != nil {
				return cost{}, err
			}
		}
		end, err := cpuTime()
		if err != nil {
			return cost{}, err
		}
		runtime.ReadMemStats(&after)
		us = append(us, float64((end-start).Nanoseconds())/1000/piecesOfWork)
		allocs = float64(after.Mallocs-before.Mallocs) / piecesOfWork
	}
	slices.Sort(us)
	return cost{us: us[len(us)/2], allocs: allocs}, nil
}

// cpuTime is what this process has used, the collection of garbage included.
func cpuTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
