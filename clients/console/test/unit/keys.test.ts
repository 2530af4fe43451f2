import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Held, isSilentKey, isTyping, listenKeys } from '../../src/floor/keys'
import { pedalDown } from '../../src/floor/pedal'

describe('what holds the talk key', () => {
  const down = vi.fn()
  const up = vi.fn()
  let held: Held
  let stop: () => void
  let code = 'Space'
  const key = (type: string, target: EventTarget = document.body, init: KeyboardEventInit = {}) => {
    const e = new KeyboardEvent(type, { code, bubbles: true, cancelable: true, ...init })
    target.dispatchEvent(e)
    return e
  }
  beforeEach(() => {
    vi.clearAllMocks()
    code = 'Space'
    document.body.innerHTML = '<button id="b"></button><textarea id="t"></textarea><input id="i"><input id="r" type="range"><div id="e" contenteditable="true"></div>'
    held = new Held(down, up)
    stop = listenKeys(held, () => code, () => false)
  })
  afterEach(() => stop())
  const el = (id: string) => document.getElementById(id)!

  it('keys with the space bar and ignores its repeats', () => {
    key('keydown'); key('keydown', document.body, { repeat: true }); key('keydown', document.body, { repeat: true })
    expect(down).toHaveBeenCalledTimes(1)
    key('keyup')
    expect(up).toHaveBeenCalledTimes(1)
  })
  it('keys on a focused button without pressing it', () => { expect(key('keydown', el('b')).defaultPrevented).toBe(true); expect(down).toHaveBeenCalled() })
  it('never keys with the space bar while somebody types', () => {
    for (const id of ['t', 'i', 'e']) expect(key('keydown', el(id)).defaultPrevented).toBe(false)
    expect(down).not.toHaveBeenCalled()
    key('keydown', el('r'))
    expect(down).toHaveBeenCalledTimes(1)
  })
  it('keys with a silent foot switch even while somebody types', () => {
    code = 'F13'
    key('keydown', el('t'))
    expect(down).toHaveBeenCalledTimes(1)
  })
  it('does not key with a modifier', () => { key('keydown', document.body, { ctrlKey: true }); expect(down).not.toHaveBeenCalled() })
  it('lets go on loss of focus, and keeps a pedal', () => {
    key('keydown'); window.dispatchEvent(new Event('blur'))
    expect(up).toHaveBeenCalledTimes(1)
    held.press('pedal'); window.dispatchEvent(new Event('blur'))
    expect(up).toHaveBeenCalledTimes(1)
    held.release('pedal')
    expect(up).toHaveBeenCalledTimes(2)
  })
  it('goes up only with the last source', () => {
    held.press('pointer'); held.press('pedal'); held.release('pointer')
    expect(up).not.toHaveBeenCalled()
    held.release('pedal')
    expect(up).toHaveBeenCalledTimes(1)
  })
  it('knows typing and silent keys', () => {
    expect(isTyping(el('b'))).toBe(false)
    expect(isSilentKey('Space')).toBe(false)
    expect(isSilentKey('F24') && isSilentKey('Pause') && !isSilentKey('F25')).toBe(true)
  })
  it('reads a pedal: any bit is down', () => {
    expect(pedalDown(new DataView(new Uint8Array([0, 0, 4]).buffer))).toBe(true)
    expect(pedalDown(new DataView(new Uint8Array([0, 0, 0]).buffer))).toBe(false)
  })
})
