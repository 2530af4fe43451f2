package bundle_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guantong-net/guantong/fusion"
	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

var (
	signKey = bytes.Repeat([]byte{1}, 32)
	sealKey = bytes.Repeat([]byte{2}, 32)
	here    = bundle.Site(1675)
)

func signing() bundle.Integrity { return bundle.Integrity{Source: here, Key: signKey} }

func sealing() bundle.Confidentiality { return bundle.Confidentiality{Source: here, Key: sealKey} }

// secured is signed at its primary block and precedence, and sealed at its payload.
func secured(t testing.TB) *bundle.Bundle {
	t.Helper()
	b := sample([]byte("余震预警"))
	b.SetPrecedence(fusion.Flash)
	if err := errors.Join(signing().Sign(b, bundle.PrimaryNumber, 2), sealing().Seal(b, bundle.PayloadNumber)); err != nil {
		t.Fatal(err)
	}
	return decode(t, encode(t, b))
}

func siteKeys(op bundle.Operation) [][]byte {
	switch {
	case op.Source != here:
		return nil
	case op.Service == bundle.ConfidentialityBlock:
		return [][]byte{sealKey}
	}
	return [][]byte{signKey}
}

func results(all []bundle.Outcome) (list []bundle.Result) {
	for _, o := range all {
		list = append(list, o.Result)
	}
	return list
}

func TestWhoAltersASecuredBundleIsFoundOut(t *testing.T) {
	foreign := func(b *bundle.Bundle) { b.Primary.Destination = bundle.Site(3) }
	for name, c := range map[string]struct {
		change func(b *bundle.Bundle)
		want   error
	}{
		"nothing":          {func(*bundle.Bundle) {}, nil},
		"destination":      {foreign, bundle.ErrForged},
		"source":           {func(b *bundle.Bundle) { b.Primary.Source = bundle.Site(3) }, bundle.ErrForged},
		"creation time":    {func(b *bundle.Bundle) { b.Primary.Created.Time++ }, bundle.ErrForged},
		"sequence number":  {func(b *bundle.Bundle) { b.Primary.Created.Seq++ }, bundle.ErrForged},
		"lifetime":         {func(b *bundle.Bundle) { b.Primary.Lifetime++ }, bundle.ErrForged},
		"flags":            {func(b *bundle.Bundle) { b.Primary.Flags |= bundle.AdminRecord }, bundle.ErrForged},
		"a CRC put back":   {func(b *bundle.Bundle) { b.Primary.CRC = bundle.CRC16 }, bundle.ErrForged},
		"payload":          {func(b *bundle.Bundle) { b.Payload()[0]++ }, bundle.ErrForged},
		"payload cut":      {func(b *bundle.Bundle) { b.Block(1).Data = b.Payload()[1:] }, bundle.ErrForged},
		"payload's flags":  {func(b *bundle.Bundle) { b.Block(1).Flags ^= bundle.Replicate }, bundle.ErrForged},
		"block's flags":    {func(b *bundle.Bundle) { b.First(bundle.ConfidentialityBlock).Flags = 0 }, bundle.ErrForged},
		"block's number":   {func(b *bundle.Bundle) { b.First(bundle.ConfidentialityBlock).Number = 77 }, bundle.ErrForged},
		"added blocks":     {func(b *bundle.Bundle) { b.SetAge(5); b.SetHops(9, 9); b.SetPreviousNode(here) }, nil},
		"a CRC on payload": {func(b *bundle.Bundle) { b.Block(1).CRC = bundle.CRC32C }, nil},
		"unknown flags":    {func(b *bundle.Bundle) { b.Block(1).Flags |= 1 << 40 }, nil},
	} {
		b := secured(t)
		c.change(b)
		if _, err := b.Accept(siteKeys); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	b := secured(t)
	foreign(b)
	if all, err := b.Verify(siteKeys); !errors.Is(err, bundle.ErrForged) || fusion.FaultOf(err) != fusion.NotAllowed {
		t.Error(all, err)
	}
}

// A precedence that was raised on the way is taken out; the rest of the bundle stays.
func TestARaisedPrecedenceIsTakenOut(t *testing.T) {
	b := secured(t)
	b.SetPrecedence(fusion.FlashOverride)
	all, err := b.Accept(siteKeys)
	if err != nil || b.Precedence() != fusion.Routine || string(b.Payload()) != "余震预警" {
		t.Fatal(results(all), err, b.Precedence())
	}
	if bundle.Covered(all, bundle.IntegrityBlock, 2, here) || !bundle.Covered(all, bundle.ConfidentialityBlock, 1, here) {
		t.Error(all)
	}
	encode(t, b)
}

func TestOperationsWithoutAKeyAreLeftInPlace(t *testing.T) {
	b := secured(t)
	before := encode(t, b)
	all, err := b.Accept(always())
	if err != nil || !bytes.Equal(encode(t, b), before) {
		t.Error(err)
	}
	for _, o := range all {
		if o.Result != bundle.NoKey || o.Source != here {
			t.Errorf("%+v", o)
		}
	}
	all, err = b.Accept(func(op bundle.Operation) [][]byte {
		if op.Service == bundle.IntegrityBlock {
			return [][]byte{signKey}
		}
		return nil
	})
	if err != nil || len(all) != 3 || b.First(bundle.IntegrityBlock) != nil || b.First(bundle.ConfidentialityBlock) == nil {
		t.Error(results(all), err)
	}
	if all, err := b.Accept(siteKeys); err != nil || string(b.Payload()) != "余震预警" {
		t.Error(results(all), err)
	}
	// A wrong key is not a missing one.
	if _, err := secured(t).Accept(always(bytes.Repeat([]byte{9}, 32))); !errors.Is(err, bundle.ErrForged) {
		t.Error(err)
	}
	// A key of a length that cannot be is none.
	if all, err := secured(t).Accept(always([]byte("short"))); err == nil {
		t.Error(results(all))
	}
}

func TestSecurityIsNotAddedWhereItMustNotBe(t *testing.T) {
	mk := func() *bundle.Bundle {
		b := sample([]byte("x"))
		b.SetPrecedence(fusion.Flash)
		return b
	}
	sign, seal := signing(), sealing()
	for name, c := range map[string]struct {
		do   func(b *bundle.Bundle) error
		want error
	}{
		"short key":           {func(b *bundle.Bundle) error { return bundle.Integrity{Key: signKey[:31]}.Sign(b, 1) }, bundle.ErrKey},
		"unknown variant":     {func(b *bundle.Bundle) error { return bundle.Integrity{Key: signKey, Variant: 9}.Sign(b, 1) }, bundle.ErrKey},
		"short cipher key":    {func(b *bundle.Bundle) error { return bundle.Confidentiality{Key: sealKey[:24]}.Seal(b, 1) }, bundle.ErrKey},
		"no target":           {func(b *bundle.Bundle) error { return sign.Sign(b) }, bundle.ErrUnencodable},
		"number taken":        {func(b *bundle.Bundle) error { s := sign; s.Number = 2; return s.Sign(b, 1) }, bundle.ErrUnencodable},
		"payload's number":    {func(b *bundle.Bundle) error { s := sign; s.Number = 1; return s.Sign(b, 2) }, bundle.ErrUnencodable},
		"target not there":    {func(b *bundle.Bundle) error { return sign.Sign(b, 9) }, bundle.ErrConflictingOperation},
		"target twice":        {func(b *bundle.Bundle) error { return sign.Sign(b, 1, 1) }, bundle.ErrConflictingOperation},
		"seal the primary":    {func(b *bundle.Bundle) error { return seal.Seal(b, 0) }, bundle.ErrConflictingOperation},
		"sign twice":          {func(b *bundle.Bundle) error { return errors.Join(sign.Sign(b, 2), sign.Sign(b, 2)) }, bundle.ErrConflictingOperation},
		"seal twice":          {func(b *bundle.Bundle) error { return errors.Join(seal.Seal(b, 1), seal.Seal(b, 1)) }, bundle.ErrConflictingOperation},
		"sign what is sealed": {func(b *bundle.Bundle) error { return errors.Join(seal.Seal(b, 1), sign.Sign(b, 1)) }, bundle.ErrConflictingOperation},
		"seal what is signed": {func(b *bundle.Bundle) error { return errors.Join(sign.Sign(b, 1), seal.Seal(b, 1)) }, bundle.ErrConflictingOperation},
		"sign a signature":    {func(b *bundle.Bundle) error { return errors.Join(sign.Sign(b, 1), sign.Sign(b, 3)) }, bundle.ErrConflictingOperation},
		"primary too late":    {func(b *bundle.Bundle) error { return errors.Join(seal.Seal(b, 1), sign.Sign(b, 0)) }, bundle.ErrOrder},
	} {
		if err := c.do(mk()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := bundle.WrapKey(sealKey, sealKey[:15]); !errors.Is(err, bundle.ErrKey) {
		t.Error(err)
	}
	if _, err := bundle.UnwrapKey(sealKey, sealKey[:23]); !errors.Is(err, bundle.ErrSecurity) {
		t.Error(err)
	}
	if _, err := bundle.UnwrapKey(sealKey[:5], sealKey); !errors.Is(err, bundle.ErrKey) {
		t.Error(err)
	}
}

// with puts a security block around a payload.
func with(t *testing.T, kind bundle.BlockType, data string) *bundle.Bundle {
	b := sample([]byte("x"))
	b.Add(bundle.Block{Type: kind, Data: unhex(t, data)})
	return decode(t, encode(t, b))
}

func TestBadSecurityBlocks(t *testing.T) {
	const tail, mac = "01" + "01" + "8202820301", "818182015820" + "0000000000000000000000000000000000000000000000000000000000000000"
	for name, c := range map[string]struct {
		kind bundle.BlockType
		data string
		want error
	}{
		"empty":                {bundle.IntegrityBlock, "", bundle.ErrSecurity},
		"no targets":           {bundle.IntegrityBlock, "80" + tail + "80" + "80", bundle.ErrSecurity},
		"cut short":            {bundle.IntegrityBlock, "8101" + tail + "818201" + "05" + mac[:20], bundle.ErrSecurity},
		"something behind":     {bundle.IntegrityBlock, "8101" + tail + "81820105" + mac + "00", bundle.ErrSecurity},
		"results for nobody":   {bundle.IntegrityBlock, "8101" + tail + "81820105" + "80", bundle.ErrSecurity},
		"one target twice":     {bundle.IntegrityBlock, "820101" + tail + "81820105" + "828080", bundle.ErrSecurity},
		"signs itself":         {bundle.IntegrityBlock, "8102" + tail + "81820105" + mac, bundle.ErrSecurity},
		"seals the primary":    {bundle.ConfidentialityBlock, "8100" + tail + "81820105" + mac, bundle.ErrSecurity},
		"seals itself":         {bundle.ConfidentialityBlock, "8102" + tail + "81820105" + mac, bundle.ErrSecurity},
		"65 targets":           {bundle.IntegrityBlock, "9841" + string(bytes.Repeat([]byte("05"), 65)) + tail + "80" + "80", bundle.ErrSecurity},
		"nested too deep":      {bundle.IntegrityBlock, "8101" + tail + "818201" + "818181818181818181818100" + mac, bundle.ErrSecurity},
		"negative target":      {bundle.IntegrityBlock, "8120" + tail + "80" + mac, bundle.ErrSecurity},
		"context over 64 bits": {bundle.IntegrityBlock, "8101" + "3bffffffffffffffff" + "00" + "8202820301" + mac, bundle.ErrSecurity},
	} {
		b := with(t, c.kind, c.data)
		_, err := b.Verify(siteKeys)
		_, err2 := b.Accept(siteKeys)
		if !errors.Is(err, c.want) && !errors.Is(err2, c.want) {
			t.Errorf("%s: %v, %v: want %v", name, err, err2, c.want)
		}
		if err := signing().Sign(b, 1); c.kind == bundle.IntegrityBlock && !errors.Is(err, c.want) {
			t.Errorf("%s: signed: %v", name, err)
		}
	}
}

// What is well formed but cannot be checked is told apart, and left in place.
func TestOperationsThatCannotBeCheckedSayWhy(t *testing.T) {
	const source, mac = "8202820301", "818182015820" + "0000000000000000000000000000000000000000000000000000000000000000"
	const iv = "82014c000000000000000000000000"
	for name, c := range map[string]struct {
		kind bundle.BlockType
		data string
		want bundle.Result
	}{
		"another context":         {bundle.IntegrityBlock, "8101" + "03" + "00" + source + mac, bundle.Unsupported},
		"a private context":       {bundle.IntegrityBlock, "8101" + "38ff" + "00" + source + mac, bundle.Unsupported},
		"another variant":         {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "8182011904d2" + mac, bundle.Unsupported},
		"variant as text":         {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "8182016161" + mac, bundle.Malformed},
		"unknown scope":           {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "828201058203" + "08" + mac, bundle.Malformed},
		"variant twice":           {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "8282010582" + "0105" + mac, bundle.Malformed},
		"signature too short":     {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "81820105" + "8181820141" + "00", bundle.Malformed},
		"no signature":            {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "81820105" + "8180", bundle.Malformed},
		"default variant":         {bundle.IntegrityBlock, "8101" + "01" + "00" + source + mac, bundle.Malformed}, // HMAC 384 has 48 octets
		"target gone":             {bundle.IntegrityBlock, "8109" + "01" + "01" + source + "81820105" + mac, bundle.Missing},
		"nobody's":                {bundle.IntegrityBlock, "8101" + "01" + "01" + source + "81820105" + mac, bundle.NoKey},
		"sealed, another context": {bundle.ConfidentialityBlock, "8101" + "09" + "00" + source + "8180", bundle.Unsupported},
		"sealed, another cipher":  {bundle.ConfidentialityBlock, "8101" + "02" + "01" + source + "82" + iv + "820202" + "8180", bundle.Unsupported},
		"sealed, no nonce":        {bundle.ConfidentialityBlock, "8101" + "02" + "01" + source + "81820203" + "8180", bundle.Malformed},
		"sealed, long nonce":      {bundle.ConfidentialityBlock, "8101" + "02" + "01" + source + "81820151" + "0000000000000000000000000000000000" + "8180", bundle.Malformed},
		"sealed, short tag":       {bundle.ConfidentialityBlock, "8101" + "02" + "01" + source + "81" + iv + "8181820142" + "0000", bundle.Malformed},
		"sealed, target gone":     {bundle.ConfidentialityBlock, "8109" + "02" + "01" + source + "81" + iv + "8180", bundle.Missing},
		"sealed for others":       {bundle.ConfidentialityBlock, "8101" + "02" + "01" + source + "81" + iv + "8180", bundle.NoKey},
	} {
		b := with(t, c.kind, c.data)
		before := encode(t, b)
		all, err := b.Accept(siteKeys)
		if err != nil || len(all) != 1 || all[0].Result != c.want {
			t.Errorf("%s: %v, %v: want %v", name, results(all), err, c.want)
		}
		if !bytes.Equal(encode(t, b), before) {
			t.Errorf("%s: altered", name)
		}
	}
	if got := bundle.Hidden.String() + bundle.Result(99).String(); got != "hiddenresult(99)" {
		t.Error(got)
	}
}

// The tag may be at the end of the ciphertext instead of in a result, and nonces may be 8 to 16 octets (RFC 9173 §4.4.2, §4.3.1).
func TestATagWithinTheCiphertextIsTaken(t *testing.T) {
	b := sample([]byte("x"))
	if err := sealing().Seal(b, 1); err != nil {
		t.Fatal(err)
	}
	c := b.First(bundle.ConfidentialityBlock)
	n := len(c.Data)
	tag := bytes.Clone(c.Data[n-16:])
	b.Block(1).Data = append(b.Payload(), tag...)
	c.Data = append(bytes.Clone(c.Data[:n-16-len("\x81\x82\x01\x50")]), 0x80)
	if all, err := b.Accept(siteKeys); err != nil || string(b.Payload()) != "x" {
		t.Error(results(all), err)
	}
}

// Both ways of covering the primary block are taken, whoever wrote them; the key must fit all the same.
func TestAPrimaryBlockSignedEitherWayIsTaken(t *testing.T) {
	for _, quoted := range []bool{false, true} {
		b := sample([]byte("x"))
		s := signing()
		s.Quoted = quoted
		if err := s.Sign(b, bundle.PrimaryNumber); err != nil {
			t.Fatal(err)
		}
		if all, err := b.Verify(siteKeys); err != nil || !bundle.Covered(all, bundle.IntegrityBlock, 0, here) {
			t.Error(all, err)
		}
		if _, err := b.Verify(always(sealKey)); !errors.Is(err, bundle.ErrForged) {
			t.Error(err)
		}
		// Old and new keys, while keys roll.
		if all, err := b.Verify(always(sealKey, signKey)); err != nil || !bundle.Covered(all, bundle.IntegrityBlock, 0, here) {
			t.Error(all, err)
		}
	}
}
