// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WS from 'ws'
import type { Incoming } from '../../src/wire/socket'
import { Nodes } from '../../src/wire/nodes'
import { Socket } from '../../src/wire/socket'
import { Mock } from '../mock/server'

describe('the socket against a server', () => {
  let mock: Mock
  let socket: Socket
  let after = -1
  const got: Incoming[] = []
  const downs: string[] = []
  let ups = 0

  beforeEach(async () => {
    mock = new Mock()
    const url = await mock.listen()
    const res = await fetch(url + '/api/v1/login', { method: 'POST', body: JSON.stringify({ user: 'admin', password: 'secret' }) })
    const cookie = res.headers.get('set-cookie')!.split(';')[0]!
    vi.stubGlobal('WebSocket', class extends WS { constructor(u: string) { super(u, { headers: { cookie, origin: url } }) } })
    got.length = downs.length = ups = 0
    after = -1
    socket = new Socket({ hello: () => ({ after, client: 'test' }), message: (m) => got.push(m), up: () => { ups++ }, down: (r) => downs.push(r) }, new Nodes(url))
    socket.start()
    await vi.waitFor(() => expect(ups).toBe(1))
  })
  afterEach(async () => { socket.stop(); vi.unstubAllGlobals(); await mock.close() })
  const events = () => got.filter((m) => m.t === 'event').map((m) => m.seq)

  it('says hello first and matches answers to requests', async () => {
    expect(mock.live.received[0]).toMatchObject({ t: 'hello', after: -1 })
    const reply = await socket.ask('join', { talk: '10001' })
    expect(reply).toMatchObject({ t: 'joined', talk: '10001' })
    await expect(socket.ask('nonsense')).rejects.toMatchObject({ fault: 'bad_request', reason: 'unknown_type' })
  })
  it('answers pings, a second apart', async () => {
    await vi.waitFor(() => expect(mock.live.received.filter((m) => m.t === 'pong').length).toBeGreaterThanOrEqual(2), 2000)
  })
  it('comes back by itself after a close, and gets what it missed once', async () => {
    mock.commit('group', 1, { number: 1 })
    await vi.waitFor(() => expect(events()).toEqual([101]))
    after = 101
    mock.live.dropAll()
    mock.commit('group', 2, { number: 2 })
    await vi.waitFor(() => expect(ups).toBe(2), 3000)
    await vi.waitFor(() => expect(events()).toEqual([101, 102]))
    expect(downs).toEqual(['closed'])
  })
  it('takes a silent server for dead within 1.2 s, and fails what waits', async () => {
    await vi.waitFor(() => expect(mock.live.received.some((m) => m.t === 'pong')).toBe(true))
    mock.live.beats = false
    const began = performance.now()
    await vi.waitFor(() => expect(downs).toEqual(['heartbeat']), 2000)
    expect(performance.now() - began).toBeLessThan(1300)
    mock.live.beats = true
    await vi.waitFor(() => expect(ups).toBe(2), 3000)
  })
  it('refuses to speak when there is no link', async () => {
    socket.stop()
    expect(socket.tell('release', { talks: [] })).toBe(false)
    await expect(socket.ask('join', { talk: '1' })).rejects.toMatchObject({ fault: 'cut_off' })
  })
})
