package telephone

import (
	"fmt"
	"io"

	"github.com/pion/srtp/v3"
)

// srtpPair protects one direction of a call: RTP and RTCP under one key (RFC 4568 §6.1).
type srtpPair struct {
	ctx *srtp.Context
	buf []byte
}

func newSRTP(c crypto, receiving bool) (*srtpPair, error) {
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	if c.suite == suiteGCM {
		profile = srtp.ProtectionProfileAeadAes128Gcm
	}
	k, _ := c.suite.keyBytes()
	var opts []srtp.ContextOption
	if receiving {
		opts = append(opts, srtp.SRTPReplayProtection(128), srtp.SRTCPReplayProtection(64))
	}
	ctx, err := srtp.CreateContext(c.key[:k], c.key[k:], profile, opts...)
	if err != nil {
		return nil, fmt.Errorf("telephone: SRTP context: %w", err)
	}
	return &srtpPair{ctx: ctx, buf: make([]byte, 0, rtpMax)}, nil
}

// open gives the plain packet, in a buffer that is good until the next call.
func (p *srtpPair) open(b []byte) ([]byte, error) { return p.ctx.DecryptRTP(p.buf[:0], b, nil) }

func (p *srtpPair) openRTCP(b []byte) ([]byte, error) { return p.ctx.DecryptRTCP(nil, b, nil) }

func (p *srtpPair) seal(dst, b []byte) ([]byte, error) { return p.ctx.EncryptRTP(dst, b, nil) }

func (p *srtpPair) sealRTCP(b []byte) ([]byte, error) { return p.ctx.EncryptRTCP(nil, b, nil) }

// srtp makes both directions of a session; nil when it is in the clear.
func (s session) srtp() (in, out *srtpPair, err error) {
	if s.in == nil || s.out == nil {
		return nil, nil, nil
	}
	if in, err = newSRTP(*s.in, true); err != nil {
		return nil, nil, err
	}
	out, err = newSRTP(*s.out, false)
	return in, out, err
}

// newCrypto makes a key of ours.
func newCrypto(tag string, s suite, random io.Reader) (crypto, error) {
	k, salt := s.keyBytes()
	c := crypto{tag: tag, suite: s, key: make([]byte, k+salt)}
	if _, err := io.ReadFull(random, c.key); err != nil {
		return c, fmt.Errorf("telephone: SRTP key: %w", err)
	}
	return c, nil
}
