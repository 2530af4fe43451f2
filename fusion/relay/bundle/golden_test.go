package bundle_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/guantong-net/guantong/fusion/relay/bundle"
)

// The bundles of RFC 9173 Appendix A, octet for octet.
const (
	rfcPrimary = "88070000820282010282028202018202820201820018281a000f4240"
	rfcPayload = "85010100005823526561647920746f2067656e657261746520612033322d62797465207061796c6f6164"
	rfcPlain   = "9f" + rfcPrimary + rfcPayload + "ff"
	rfcAge     = "85070200004319012c"

	rfcSigned = "9f" + rfcPrimary + `850b0200005856810101018202820201828201078203008181820158403bdc69b3a34a2b5d3a
		8554368bd1e808f606219d2a10a846eae3886ae4ecc83c4ee550fdfb1cc636b904e2f1a73e303dcd4b6ccece003e95e8164dcc89a156e1` + rfcPayload + "ff"

	rfcSealed = "9f" + rfcPrimary + `850c02010058508101020182028202018482014c5477656c76653132313231328202018203581869c411276fecddc4780df42c8a2af8
		9296fabf34d7fae7008204008181820150efa4b5ac0108e3816c5606479801bc04
		850101000058233a09c1e63fe23a7f66a59c7303837241e070b02619fc59c5214a22f08cd70795e73e9aff`

	rfcTwoSources = "9f" + rfcPrimary + `850b030000585c8200020101820282030082820105820300828182015820cac6ce8e4c5dae57988b757e49a6dd1431dc04763541b28
		45098265bc817241b81820158203ed614c0d97f49b3633627779aa18a338d212bf3c92b97759d9739cd50725596
		850c04010058348101020182028202018382014c5477656c76653132313231328202018204008181820150efa4b5ac0108e3816c5606479801bc04` +
		rfcAge + `850101000058233a09c1e63fe23a7f66a59c7303837241e070b02619fc59c5214a22f08cd70795e73e9aff`

	rfcBoth = "9f" + rfcPrimary + `850b030000584643 8ed6208eb1c1ffb94d952175167df0902902064a2983910c4fb2340790bf420a7d1921d5bf7c4721e02ab87a93ab1e0b75c
		f62e4948727c8b5dae46ed2af05439b88029191
		850c0201005849820301020182028202018382014c5477656c76653132313231328202038204078281820150220ffc45c8a901999ecc60991dd78b2981820150d2c51
		cb2481792dae8b21d848cede99b
		8501010000582390eab6457593379298a8724e16e61f837488e127212b59ac91f8a86287b7d07630a122ff`

	rfcHMACKey   = "1a2b1a2b1a2b1a2b1a2b1a2b1a2b1a2b"
	rfcAES128    = "71776572747975696f70617364666768"
	rfcAES256    = rfcAES128 + rfcAES128
	rfcWrapping  = "6162636465666768696a6b6c6d6e6f70"
	rfcWrapped   = "69c411276fecddc4780df42c8a2af89296fabf34d7fae700"
	rfcNonce     = "5477656c7665313231323132"
	rfcSignature = "f75fe4c37f76f046165855bd5ff72fbfd4e3a64b4695c40e2b787da005ae819f0a2e30a2e8b325527de8aefb52e73d71"
)

func mustBe(t *testing.T, b *bundle.Bundle, want string) {
	t.Helper()
	if got := encode(t, b); !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("got  %x\nwant %x", got, unhex(t, want))
	}
}

func nonce(t *testing.T) (n [bundle.NonceSize]byte) {
	copy(n[:], unhex(t, rfcNonce))
	return n
}

func passed(t *testing.T, all []bundle.Outcome, err error, want int) {
	t.Helper()
	n := 0
	for _, o := range all {
		if o.Result == bundle.Passed {
			n++
		}
	}
	if err != nil || n != want || len(all) != want {
		t.Errorf("%v, %v: want %d passed", all, err, want)
	}
}

func TestRFC9173ExamplesReadAndWriteTheSame(t *testing.T) {
	for _, example := range []string{rfcPlain, rfcSigned, rfcSealed, rfcTwoSources, rfcBoth} {
		mustBe(t, decode(t, unhex(t, example)), example)
	}
	b := bundle.New(bundle.Primary{
		Destination: bundle.IPN(1, 2), Source: bundle.IPN(2, 1), ReportTo: bundle.IPN(2, 1), Created: bundle.Timestamp{Seq: 40}, Lifetime: 1000000,
	}, []byte("Ready to generate a 32-byte payload"))
	mustBe(t, b, rfcPlain)
}

func TestRFC9173ExampleOneSimpleIntegrity(t *testing.T) {
	b := decode(t, unhex(t, rfcPlain))
	i := bundle.Integrity{Source: bundle.IPN(2, 1), Key: unhex(t, rfcHMACKey), Variant: bundle.HMAC512, Omit: 7}.AnyKey()
	if err := i.Sign(b, bundle.PayloadNumber); err != nil {
		t.Fatal(err)
	}
	mustBe(t, b, rfcSigned)
	all, err := b.Verify(always(i.Key))
	passed(t, all, err, 1)
	mustBe(t, b, rfcSigned)
	all, err = b.Accept(always(i.Key))
	passed(t, all, err, 1)
	mustBe(t, b, rfcPlain)
}

func TestRFC9173ExampleTwoConfidentialityWithKeyWrap(t *testing.T) {
	wrapped, err := bundle.WrapKey(unhex(t, rfcWrapping), unhex(t, rfcAES128))
	if err != nil || !bytes.Equal(wrapped, unhex(t, rfcWrapped)) {
		t.Fatalf("wrapped %x, %v", wrapped, err)
	}
	b := decode(t, unhex(t, rfcPlain))
	c := bundle.Confidentiality{Source: bundle.IPN(2, 1), Key: unhex(t, rfcAES128), Nonce: nonce(t), Omit: 7, Wrapped: wrapped}
	if err := c.Seal(b, bundle.PayloadNumber); err != nil {
		t.Fatal(err)
	}
	mustBe(t, b, rfcSealed)
	all, err := b.Accept(func(op bundle.Operation) [][]byte {
		key, err := bundle.UnwrapKey(unhex(t, rfcWrapping), op.Wrapped)
		if err != nil {
			t.Error(err)
		}
		return [][]byte{key}
	})
	passed(t, all, err, 1)
	mustBe(t, b, rfcPlain)
}

func TestRFC9173ExampleThreeTwoSources(t *testing.T) {
	b := decode(t, unhex(t, "9f"+rfcPrimary+rfcAge+rfcPayload+"ff"))
	c := bundle.Confidentiality{Source: bundle.IPN(2, 1), Key: unhex(t, rfcAES128), Nonce: nonce(t), Omit: 7, Number: 4}
	i := bundle.Integrity{Source: bundle.IPN(3, 0), Key: unhex(t, rfcHMACKey), Omit: 7, Number: 3, Quoted: true}.AnyKey()
	if err := errors.Join(c.Seal(b, bundle.PayloadNumber), i.Sign(b, bundle.PrimaryNumber, 2)); err != nil {
		t.Fatal(err)
	}
	mustBe(t, b, rfcTwoSources)
	all, err := b.Verify(always(i.Key))
	passed(t, all, err, 2)
	all, err = b.Accept(func(op bundle.Operation) [][]byte {
		if op.Source == c.Source {
			return [][]byte{c.Key}
		}
		return [][]byte{i.Key}
	})
	passed(t, all, err, 3)
	mustBe(t, b, "9f"+rfcPrimary+rfcAge+rfcPayload+"ff")
}

func TestRFC9173ExampleFourSignedAndSealed(t *testing.T) {
	b := decode(t, unhex(t, rfcPlain))
	i := bundle.Integrity{Source: bundle.IPN(2, 1), Key: unhex(t, rfcHMACKey), Variant: bundle.HMAC384, Number: 3}.AnyKey()
	c := bundle.Confidentiality{Source: bundle.IPN(2, 1), Key: unhex(t, rfcAES256), Nonce: nonce(t), Number: 2}
	if err := i.Sign(b, bundle.PayloadNumber); err != nil {
		t.Fatal(err)
	}
	if data := b.Block(3).Data; !bytes.HasSuffix(data, unhex(t, rfcSignature)) {
		t.Errorf("signature block %x", data)
	}
	if err := c.Seal(b, bundle.PayloadNumber); !errors.Is(err, bundle.ErrConflictingOperation) {
		t.Errorf("sealed what is signed: %v", err)
	}
	all, err := decode(t, unhex(t, rfcBoth)).Verify(always(i.Key))
	passed(t, all, err, 0)
	got := decode(t, unhex(t, rfcBoth))
	all, err = got.Accept(func(op bundle.Operation) [][]byte {
		if op.Service == bundle.ConfidentialityBlock {
			return [][]byte{c.Key}
		}
		return [][]byte{i.Key}
	})
	passed(t, all, err, 3)
	mustBe(t, got, rfcPlain)
}

func TestKeyWrapAsRFC3394HasIt(t *testing.T) {
	for _, v := range []struct{ kek, key, wrapped string }{
		{"000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
			"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
		},
	} {
		wrapped, err := bundle.WrapKey(unhex(t, v.kek), unhex(t, v.key))
		if err != nil || !bytes.Equal(wrapped, unhex(t, v.wrapped)) {
			t.Errorf("wrapped %x, %v", wrapped, err)
		}
		key, err := bundle.UnwrapKey(unhex(t, v.kek), wrapped)
		if err != nil || !bytes.Equal(key, unhex(t, v.key)) {
			t.Errorf("unwrapped %x, %v", key, err)
		}
		wrapped[3] ^= 1
		if _, err := bundle.UnwrapKey(unhex(t, v.kek), wrapped); !errors.Is(err, bundle.ErrForged) {
			t.Errorf("a changed one: %v", err)
		}
	}
}
