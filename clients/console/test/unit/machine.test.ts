import { describe, expect, it } from 'vitest'
import type { Effect } from '../../src/floor/machine'
import { Ptt } from '../../src/floor/machine'
import type { Indication } from '../../src/wire/types'

const ind = (talk: string, kind: Indication['kind'], more: Partial<Indication> = {}): Indication => ({ talk, kind, request: 'r1', precedence: 'routine', hearing: 2, ...more })
const names = (effects: Effect[]) => effects.map((e) => (e.do === 'mic' ? `mic ${e.on ? 'on' : 'off'}` : e.do === 'tone' ? `tone ${e.tone}` : e.do))

describe('the talk key', () => {
  it('opens the microphone with the key, before the answer, so that the first syllable is there', () => {
    const p = new Ptt()
    expect(names(p.press('r1', ['10001'], true))).toEqual(['mic on', 'press', 'timer'])
    expect(p.state).toBe('requesting')
    expect(names(p.indicate(ind('10001', 'granted')))).toEqual(['tone grant'])
    expect(p.state).toBe('granted')
    expect(names(p.release())).toEqual(['mic off', 'release'])
    expect(p.state).toBe('idle')
  })
  it('sounds another tone when nobody hears', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    expect(names(p.indicate(ind('10001', 'granted', { hearing: 0 })))).toEqual(['tone nobody'])
  })
  it('closes the microphone while queued and opens it when granted', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    expect(names(p.indicate(ind('10001', 'queued', { place: 2 })))).toEqual(['mic off', 'tone queued'])
    expect(p.place).toBe(2)
    expect(names(p.indicate(ind('10001', 'queued', { place: 1 })))).toEqual([])
    expect(names(p.indicate(ind('10001', 'granted')))).toEqual(['mic on', 'tone grant'])
  })
  it('takes a queued request back on release', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'queued'))
    expect(names(p.release())).toEqual(['release'])
  })
  it('stops when revoked, says why, and does not talk again until pressed again', () => {
    const p = new Ptt()
    p.press('r1', ['10001'], true)
    p.indicate(ind('10001', 'granted'))
    expect(names(p.indicate(ind('10001', 'revoked', { cause: 'burst_too_long' })))).toEqual(['mic off', 'tone revoked'])
    expect([p.state, p.cause]).toEqual(['denied', 'burst_too_long'])
    expect(names(p.release())).toEqual([])
    expect(names(p.press('r2', ['10001'], true))).toEqual(['mic on', 'press', 'timer'])
  })
  it('talks to those of several that granted, and releases only what it holds or waits for', () => {
    const p = new Ptt()
    p.press('r1', ['1', '2', '3'], true)
    expect(names(p.indicate(ind('1', 'denied', { cause: 'receive_only' })))).toEqual(['tone deny'])
    expect(p.state).toBe('requesting')
    p.indicate(ind('2', 'granted'))
    expect(names(p.indicate(ind('3', 'queued')))).toEqual(['tone queued'])
    expect(p.state).toBe('granted')
    expect(p.release()).toEqual([{ do: 'mic', on: false }, { do: 'release', talks: ['2', '3'] }])
  })
  it('refuses locally without a selection, a microphone or a link, and sends nothing', () => {
    for (const [talks, ready] of [[[], true], [['1'], 'mic_denied'], [['1'], 'link_lost']] as const) {
      const p = new Ptt()
      expect(names(p.press('r1', [...talks], ready))).toEqual(['tone deny'])
      expect(p.state).toBe('denied')
      expect(names(p.release())).toEqual([])
    }
  })
  it('gives up a request that nobody answers, and ignores the timer of an older one', () => {
    const p = new Ptt()
    p.press('r1', ['1'], true)
    expect(p.expire('r0')).toEqual([])
    expect(names(p.expire('r1'))).toEqual(['release', 'mic off', 'tone deny'])
  })
  it('is cut off when the server is lost', () => {
    const p = new Ptt()
    p.press('r1', ['1'], true)
    p.indicate(ind('1', 'granted'))
    expect(names(p.lost('link_lost'))).toEqual(['mic off', 'tone revoked'])
    expect(names(p.lost('link_lost'))).toEqual([])
  })
  it('ignores answers to other requests, other talks, and a key that is up', () => {
    const p = new Ptt()
    expect(p.indicate(ind('1', 'granted'))).toEqual([])
    p.press('r1', ['1'], true)
    expect(p.indicate(ind('1', 'granted', { request: 'r9' }))).toEqual([])
    expect(p.indicate(ind('2', 'granted'))).toEqual([])
    expect(p.state).toBe('requesting')
  })
  it('never leaves the microphone open after any order of inputs and a release', () => {
    const kinds: Indication['kind'][] = ['granted', 'taken', 'denied', 'idle', 'revoked', 'queued', 'unqueued', 'ended']
    let seed = 7
    const random = (n: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n
    for (let run = 0; run < 2000; run++) {
      const p = new Ptt()
      let mic = false
      const follow = (es: Effect[]) => { for (const e of es) if (e.do === 'mic') mic = e.on }
      follow(p.press('r1', ['1', '2'], true))
      for (let i = 0; i < random(8); i++) follow(p.indicate(ind(String(1 + random(2)), kinds[random(kinds.length)]!)))
      expect(mic).toBe(p.state === 'granted' || p.state === 'requesting')
      follow(p.release())
      expect(mic).toBe(false)
    }
  })
})
