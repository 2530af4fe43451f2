// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WS from 'ws'
import { get, post, source } from '../../src/wire/http'
import { Nodes, nodes } from '../../src/wire/nodes'
import type { Incoming } from '../../src/wire/socket'
import { Socket } from '../../src/wire/socket'
import { Mock } from '../mock/server'

describe('the list of nodes', () => {
  const told = [{ node: 'node-1', url: 'https://a:8443' }, { node: 'node-2', url: 'https://b:8443' }, { node: 'node-3', url: 'https://c:8443' }]
  it('goes round all nodes and comes home again', () => {
    const n = new Nodes('https://a:8443')
    expect(n.leave('https://a:8443')).toBe(false)
    n.learn(told)
    expect([n.others, n.prefix, n.name()]).toEqual([2, '', 'node-1'])
    const lost = n.lost(n.at)
    expect(n.leave('https://b:8443')).toBe(false)
    expect(n.leave(n.at)).toBe(true)
    expect([n.at, n.prefix, lost.aborted, n.name()]).toEqual(['https://b:8443', 'https://b:8443', true, 'node-2'])
    n.leave(n.at)
    n.leave(n.at)
    expect([n.at, n.away]).toEqual(['https://a:8443', false])
  })
  it('keeps the list for the next time, and takes no nonsense', () => {
    const kept = new Map<string, string>()
    const store = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => { kept.set(k, v) } }
    new Nodes('https://a:8443', store).learn(told)
    const again = new Nodes('https://a:8443', store)
    expect(again.others).toBe(2)
    again.learn([{ url: 'javascript:alert(1)' }, { url: 'https://x/path' }, null, 7] as never)
    again.learn(undefined)
    expect(again.others).toBe(2)
    again.learn(Array.from({ length: 100 }, (_, i) => ({ url: `https://n${i}` })))
    expect(again.others).toBe(8)
    kept.set('guantong.nodes', '{"not": "a list"}')
    expect(new Nodes('https://a:8443', store).others).toBe(0)
  })
  it('proves itself by a token elsewhere than at home only', () => {
    const n = new Nodes('https://a:8443')
    n.learn(told)
    n.token = 'abc'
    expect([n.socket('/ws'), n.headers()]).toEqual([{ url: 'wss://a:8443/ws', protocols: [] }, {}])
    n.leave(n.at)
    expect([n.socket('/ws'), n.headers()]).toEqual([{ url: 'wss://b:8443/ws', protocols: ['guantong', 'bearer.abc'] }, { Authorization: 'Bearer abc' }])
  })
})

describe('a page whose node dies', () => {
  let a: Mock, b: Mock, socket: Socket
  let after = -1
  const got: Incoming[] = []
  const downs: string[] = []
  let ups = 0

  beforeEach(async () => {
    [a, b] = [new Mock(), new Mock()]
    const home = await a.listen()
    await b.listen()
    a.beside(b, 'node-2')
    Object.assign(nodes, { home, at: home, token: '', anchor: '', list: [] })
    vi.stubGlobal('WebSocket', class extends WS { constructor(u: string, p: string[]) { super(u, p, { headers: { origin: home, ...(u.startsWith(home.replace('http', 'ws')) ? { cookie: `guantong=${nodes.token}` } : {}) } }) } })
    const real = fetch
    vi.stubGlobal('fetch', (u: string, init: RequestInit) => real(u.startsWith('/') ? home + u : u, { ...init, headers: { ...init.headers as object, origin: home, ...(u.startsWith('/') ? { cookie: `guantong=${nodes.token}` } : {}) } }))
    const reply = await post<{ token: string; nodes: [] }>('/login', { user: 'admin', password: 'secret' })
    nodes.token = reply.token
    nodes.learn(reply.nodes)
    got.length = downs.length = ups = 0
    after = -1
    socket = new Socket({ hello: () => ({ after, client: 'test' }), message: (m) => got.push(m), up: () => { ups++ }, down: (r) => downs.push(r) }, nodes)
    socket.start()
    await vi.waitFor(() => expect(ups).toBe(1))
  })
  afterEach(async () => { socket.stop(); vi.unstubAllGlobals(); await Promise.all([a.close(), b.close()]) })
  const events = () => got.filter((m) => m.t === 'event').map((m) => m.seq)

  it('is at the next one at once, with its events', async () => {
    a.commit('group', 1, { number: 1 })
    await vi.waitFor(() => expect(events()).toEqual([101]))
    after = 101
    a.commit('group', 2, { number: 2 })
    await a.close()
    const began = performance.now()
    await vi.waitFor(() => expect(ups).toBe(2), 3000)
    expect(performance.now() - began).toBeLessThan(900)
    expect(got.filter((m) => m.t === 'welcome').map((m) => (m.site as { node: string }).node)).toEqual(['node-1', 'node-2'])
    after = 102
    b.commit('group', 3, { number: 3 })
    await vi.waitFor(() => expect(new Set(events())).toEqual(new Set([101, 102, 103])))
    expect(await get('/me')).toMatchObject({ user: { name: 'admin' } })
    expect(nodes.away).toBe(true)
  })
  it('is there after three beats when the node only falls silent, and its requests come along', async () => {
    a.live.beats = false
    a.stuck = true
    const began = performance.now()
    const reply = get('/me')
    await vi.waitFor(() => expect(ups).toBe(2), 4000)
    expect(performance.now() - began).toBeLessThan(1800)
    expect(downs).toEqual(['heartbeat'])
    expect(await reply).toMatchObject({ user: { name: 'admin' } })
  })
  it('makes a change there once, under the same request ID', async () => {
    const key = 'ab'.repeat(16)
    a.loseAnswers = 1
    socket.stop()
    nodes.anchor = ''
    await post('/patches', { name: 'x', groups: [10001, 10002] }, key)
    expect(a.requests.concat(b.requests).filter((r) => r.startsWith('POST /api/v1/patches')).length).toBe(2)
    expect(b.events.filter((e) => e.type === 'patch').length).toBe(1)
  })
  it('fetches what elements show, since they carry no token', async () => {
    expect(await source('/files/x')).toBe('/api/v1/files/x')
    nodes.leave(nodes.at)
    const make = vi.spyOn(URL, 'createObjectURL')
    expect(await source('/groups')).toMatch(/^blob:/)
    expect(make).toHaveBeenCalled()
  })
})
