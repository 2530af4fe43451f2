import { describe, expect, it } from 'vitest'
import { outline, peaksOf } from '../../src/journal/peaks'
import { voiceCodecs, withOpusParameters } from '../../src/voice/offer'
import type { Hearing } from '../../src/voice/slots'
import { DUCKED, SLOTS, route } from '../../src/voice/slots'
import type { Stream } from '../../src/wire/types'

const stream = (talk: string, more: Partial<Stream> = {}): Stream => ({ burst: 'b', talk, talker: 1, name: 'x', precedence: 'routine', ...more })
const hearing: Record<string, Hearing> = { '1': { volume: 0.5, side: 'left' }, '2': { volume: 0, side: 'both' } }
const at = (streams: (Stream | null)[], duck = false) => route(streams, (t) => hearing[t], duck)

describe('slots', () => {
  it('gives every slot an output, empty ones silent', () => {
    expect(at([])).toHaveLength(SLOTS)
    expect(at([]).every((o) => o.volume === 0)).toBe(true)
  })
  it('follows the talk, whichever slot it is on', () => {
    expect(at([null, null, stream('1')])[2]).toEqual({ volume: 0.5, side: 'left' })
    expect(at([stream('1'), null, null])[0]).toEqual({ volume: 0.5, side: 'left' })
  })
  it('plays a talk without settings, such as a call, in full', () => expect(at([stream('call:x')])[0]).toEqual({ volume: 1, side: 'both' }))
  it('ducks ordinary speech but never an emergency, which is also never silent', () => {
    expect(at([stream('1')], true)[0]!.volume).toBe(0.5 * DUCKED)
    expect(at([stream('2', { emergency: true })], true)[0]!.volume).toBeGreaterThanOrEqual(0.6)
    expect(at([stream('2')])[0]!.volume).toBe(0)
  })
})

describe('the offer', () => {
  it('sets the Opus parameters and nothing else', () => {
    const sdp = 'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n'
    const out = withOpusParameters(sdp)
    expect(out).toContain('a=fmtp:111 minptime=10;ptime=20;useinbandfec=1;usedtx=0\r\n')
    expect(out).toContain('a=fmtp:63 111/111')
  })
  it('offers RED and Opus only', () => {
    const c = ['audio/opus', 'audio/PCMU', 'audio/red', 'audio/CN'].map((mimeType) => ({ mimeType }))
    expect(voiceCodecs(c).map((v) => v.mimeType)).toEqual(['audio/red', 'audio/opus'])
  })
})

describe('waveforms', () => {
  it('reads at most 64 values and survives nonsense', () => {
    expect(peaksOf(btoa('\x00\xff'))).toEqual([0, 255])
    expect(peaksOf(btoa('x'.repeat(99)))).toHaveLength(64)
    expect(peaksOf('%%%')).toEqual([])
    expect(outline([])).toBe('M0 12H100')
    expect(outline([255]).startsWith('M50.0 0.5')).toBe(true)
  })
})
