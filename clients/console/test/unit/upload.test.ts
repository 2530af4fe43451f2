import { describe, expect, it } from 'vitest'
import { CHUNK, type Store, upload } from '../../src/messages/upload'
import { WireError } from '../../src/wire/http'
import type { Upload } from '../../src/wire/types'

const cut = () => new WireError('cut_off', 'unreachable')
const file = (size: number) => new File([new Uint8Array(size).fill(7)], 'a.bin')
const soon = () => Promise.resolve()

/** A server that keeps what came; `fail` may break a call off before or after it took effect. */
class Fake {
  got = 0
  size = 0
  hash = ''
  calls: string[] = []
  constructor(private fail: (call: string, n: number) => 'before' | 'half' | 'after' | undefined = () => undefined) {}
  private state = (): Upload => ({ id: 'u', offset: this.got, size: this.size, done: this.got === this.size })
  private step(name: string, take: number): Upload {
    this.calls.push(name)
    const how = this.fail(name, this.calls.filter((c) => c === name).length)
    if (how === 'before') throw cut()
    this.got += how === 'half' ? Math.floor(take / 2) : take
    if (how) throw cut()
    return this.state()
  }
  begin = (m: { size: number; hash: string }) => { this.size = m.size; this.hash = m.hash; return Promise.resolve().then(() => this.step('begin', 0)) }
  append = (_: string, offset: number, chunk: Blob) => Promise.resolve().then(() => {
    if (offset !== this.got) throw new WireError('conflict', 'wrong_offset', '', 409)
    return this.step('append', chunk.size)
  })
  ask = () => Promise.resolve().then(() => this.step('state', 0))
}
const store = (f: Fake): Store => ({ begin: f.begin, append: f.append, state: f.ask })

describe('an upload', () => {
  it('sends a file in chunks and names it by its SHA-256', async () => {
    const f = new Fake()
    const seen: number[] = []
    const a = await upload(file(CHUNK * 2 + 5), (p) => seen.push(p.sent), store(f), undefined, soon)
    expect(f.calls).toEqual(['begin', 'append', 'append', 'append'])
    expect(a.hash).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(f.hash).toBe(a.hash)
    expect(seen).toEqual([CHUNK, CHUNK * 2, CHUNK * 2 + 5, CHUNK * 2 + 5])
  })
  it('knows the SHA-256 of "abc" (FIPS 180-4)', async () => {
    const a = await upload(new File(['abc'], 'a'), () => undefined, store(new Fake()), undefined, soon)
    expect(a.hash).toBe('sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
  it.each(['before', 'half', 'after'] as const)('goes on where the server is when a chunk fails %s it arrives', async (how) => {
    const f = new Fake((name, n) => (name === 'append' && n === 2 ? how : undefined))
    await upload(file(CHUNK * 3), () => undefined, store(f), undefined, soon)
    expect(f.got).toBe(CHUNK * 3)
    expect(f.calls).toContain('state')
  })
  it('begins again when the server has finished it but the answer was lost', async () => {
    const f = new Fake((name, n) => (name === 'append' && n === 2 ? 'after' : undefined))
    const s = store(f)
    s.state = async () => { f.calls.push('state'); throw new WireError('not_found', 'upload_unknown', '', 404) }
    const a = await upload(file(CHUNK * 2), () => undefined, s, undefined, soon)
    expect(f.calls).toEqual(['begin', 'append', 'append', 'state', 'begin'])
    expect(a.size).toBe(CHUNK * 2)
  })
  it('continues one that an earlier page began', async () => {
    const f = new Fake()
    f.got = CHUNK
    await upload(file(CHUNK * 2), () => undefined, store(f), undefined, soon)
    expect(f.calls).toEqual(['begin', 'append'])
  })
  it('asks again when the offset was wrong', async () => {
    const f = new Fake()
    const s = store(f)
    const begin = s.begin
    s.begin = async (m) => { const u = await begin(m); f.got = 10; return u }
    await upload(file(100), () => undefined, s, undefined, soon)
    expect(f.got).toBe(100)
  })
  it('gives up on a refusal that will stay one, on a large file, and when told to', async () => {
    const full: Store = { ...store(new Fake()), begin: () => Promise.reject(new WireError('full', 'disk_reserve')) }
    await expect(upload(file(5), () => undefined, full, undefined, soon)).rejects.toMatchObject({ reason: 'disk_reserve' })
    const huge = { size: 51 * 1024 * 1024, name: 'x' } as File
    await expect(upload(huge, () => undefined, store(new Fake()), undefined, soon)).rejects.toMatchObject({ reason: 'file_too_large' })
    await expect(upload(file(5), () => undefined, store(new Fake()), AbortSignal.abort(), soon)).rejects.toThrow()
  })
})
