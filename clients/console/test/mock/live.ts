import type { WebSocket } from 'ws'
import type { Alert, CallInfo, Indication, Message, Patch, Precedence, Receipt, TalkState } from '../../src/wire/types.ts'
import * as data from './data.ts'
import type { Mock } from './server.ts'

export class Refusal extends Error {
  constructor(readonly fault: string, readonly reason: string, readonly status: number, readonly detail = '') { super(reason) }
}
interface Session { ws: WebSocket; user: string; joined: Set<string>; pressing: string[]; request: string; greeted: boolean }
type In = Record<string, unknown> & { t: string; id?: number }

/** The WebSocket side: floor with one talker a talk, heartbeats, and what a test makes happen. */
export class Live {
  sessions = new Set<Session>()
  talks = new Map<string, TalkState>()
  received: In[] = []
  beats = true
  private beat = setInterval(() => { if (this.beats) this.broadcast({ t: 'ping' }) }, 250)
  /** Answers for presses, by talk; granted otherwise. */
  verdict = new Map<string, Partial<Indication>>()
  constructor(private mock: Mock) {}

  attach(ws: WebSocket, user: string): void {
    const s: Session = { ws, user, joined: new Set(), pressing: [], request: '', greeted: false }
    this.sessions.add(s)
    ws.on('message', (text) => this.take(s, JSON.parse(String(text)) as In))
    ws.on('close', () => this.sessions.delete(s))
  }
  close(): void { clearInterval(this.beat); for (const s of this.sessions) s.ws.terminate() }
  dropAll(): void { for (const s of this.sessions) s.ws.terminate() }
  send(s: Session, m: unknown): void { s.ws.send(JSON.stringify(m)) }
  broadcast(m: unknown): void { for (const s of this.sessions) this.send(s, m) }

  state(talk: string): TalkState {
    let st = this.talks.get(talk)
    if (!st) {
      const seats = data.units.slice(1, 6).map((u, i) => ({ unit: u.number, name: u.name, via: i === 3 ? 'phone' : 'console', talk: true }))
      this.talks.set(talk, st = { talk, seats, hearing: seats.length, deaf: [] })
    }
    return st
  }
  change(talk: string, part: Partial<TalkState>): void {
    Object.assign(this.state(talk), part)
    for (const s of this.sessions) if (s.joined.has(talk)) this.send(s, { t: 'talk', ...this.state(talk) })
  }

  private take(s: Session, m: In): void {
    this.received.push(m)
    if (m.t === 'hello') { this.greet(s, Number(m.after)); return }
    if (!s.greeted) { s.ws.close(1008, 'hello first'); return }
    const ok = () => this.send(s, { t: 'ok', re: m.id })
    const talk = String(m.talk)
    switch (m.t) {
      case 'pong': return
      case 'offer': this.send(s, { t: 'answer', re: m.id, sdp: answerSDP(String(m.sdp)) }); this.send(s, { t: 'media', connected: true }); return
      case 'join': s.joined.add(talk); this.send(s, { ...this.state(talk), t: 'joined', re: m.id }); return
      case 'leave': s.joined.delete(talk); return
      case 'press': ok(); this.press(s, m); return
      case 'release': this.release(s, m.talks as string[]); return
      case 'force_clear': ok(); this.change(talk, { talker: undefined, name: undefined, burst: undefined, since: undefined }); return
      case 'end_emergency': ok(); this.change(talk, { emergency: false }); return
      default: this.send(s, { t: 'error', re: m.id, error: { fault: 'bad_request', reason: 'unknown_type', detail: m.t } })
    }
  }

  private greet(s: Session, after: number): void {
    s.greeted = true
    const site = { number: 1, name: '江城市应急指挥中心', version: '0.1.0', node: this.mock.name, nodes: this.mock.nodes, incarnation: 7, trunks: ['市话中继'], ...(this.exercise ? { exercise: this.exercise } : {}) }
    this.send(s, { t: 'welcome', seq: this.mock.seq, site, me: this.mock.meOf(s.user), time: Date.now() })
    if (after >= 0) for (const ev of this.mock.events) if (ev.seq > after) this.send(s, { t: 'event', ...ev })
    this.send(s, { t: 'presence', presence: data.units.map((u, i) => ({ unit: u.number, online: i % 3 !== 2, since: data.START })) })
    this.send(s, { t: 'status', ...data.status() })
  }
  exercise = ''

  private press(s: Session, m: In): void {
    s.pressing = m.talks as string[]
    s.request = String(m.request)
    const me = this.mock.meOf(s.user)
    for (const talk of s.pressing) {
      const st = this.state(talk)
      const verdict: Partial<Indication> = this.verdict.get(talk) ?? (st.talker && st.talker !== me.unit?.number ? { kind: 'denied', cause: 'another_has_permission' } : { kind: 'granted' })
      this.send(s, { t: 'floor', talk, request: s.request, precedence: m.precedence as Precedence, hearing: st.hearing, limit: 60, ...verdict })
      if (verdict.kind === 'granted') this.change(talk, { talker: me.unit?.number, name: me.unit?.name, burst: s.request, since: Date.now() })
    }
  }
  private release(s: Session, talks: string[]): void {
    for (const talk of talks) {
      if (this.state(talk).burst !== s.request) continue
      this.change(talk, { talker: undefined, name: undefined, burst: undefined, since: undefined })
    }
  }
}

/** An answer that a browser takes: ICE-lite and never reached, for the mock has no media. */
function answerSDP(offer: string): string {
  const parts = offer.split(/(?=^m=)/m).slice(1)
  const print = Array.from({ length: 32 }, (_, i) => (i * 7 + 16).toString(16).padStart(2, '0').toUpperCase().slice(-2)).join(':')
  const media = parts.map((m) => {
    const pt = /a=rtpmap:(\d+) opus/i.exec(m)![1]
    const dir = /^a=sendrecv/m.test(m) ? 'sendrecv' : 'sendonly'
    return [`m=audio 9 UDP/TLS/RTP/SAVPF ${pt}`, 'c=IN IP4 0.0.0.0', 'a=rtcp:9 IN IP4 0.0.0.0', 'a=ice-ufrag:mock', 'a=ice-pwd:mockmockmockmockmockmock', `a=fingerprint:sha-256 ${print}`, 'a=setup:passive',
      `a=mid:${/a=mid:(\S+)/.exec(m)![1]}`, `a=${dir}`, 'a=rtcp-mux', `a=rtpmap:${pt} opus/48000/2`].join('\r\n')
  })
  const mids = parts.map((m) => /a=mid:(\S+)/.exec(m)![1]).join(' ')
  return ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite', `a=group:BUNDLE ${mids}`, ...media].join('\r\n') + '\r\n'
}

interface Call { user: string; method: string; path: string; query: URLSearchParams; body: () => Record<string, never>; key?: string; raw: Buffer }
const items = (list: unknown[]) => ({ items: list })
const refuse = (): never => { throw new Refusal('not_found', 'no_such_call', 404) }

/** The HTTP calls on objects. */
export function answerTo(mock: Mock, c: Call): unknown {
  const [, kind, key, verb, sub] = c.path.split('/').map(decodeURIComponent)
  const tables = { groups: [data.groups, 'number'], units: [data.units, 'number'], users: [data.users, 'name'], positions: [data.positions, 'number'], extensions: [[], 'unit'] } as unknown as Record<string, [Record<string, unknown>[], string]>
  const lists: Record<string, unknown[]> = { patches: data.patches, alerts: data.alerts, bursts: data.bursts, messages: data.messages, calls: data.calls }
  if (c.method === 'GET') {
    if (kind === 'me') return mock.meOf(c.user)
    if (kind === 'status') return data.status()
    if (kind === 'events') return items(mock.events.filter((e) => e.seq > Number(c.query.get('after'))).slice(0, Number(c.query.get('limit') ?? 500)))
    if (kind === 'audit') return items(audit())
    if (kind === 'files') return Buffer.from(PIXEL, 'base64')
    if (kind === 'calls' && key === 'log') return items(data.callLog)
    if (kind === 'messages' && verb === 'receipts') return items(data.receipts.filter((r) => r.message === key))
    if (kind === 'messages' && c.query.get('to')) return items(data.messages.filter((m) => m.to.includes(Number(c.query.get('to')))))
    if (kind === 'messages' && c.query.get('q')) return items(data.messages.filter((m) => m.text.includes(c.query.get('q')!)))
    if (kind === 'groups' && verb === 'members') return items(data.members.filter((m) => m.group === Number(key)))
    if (kind === 'positions' && verb === 'log') return { position: data.positions[0], from: 0, to: Date.now(), handovers: [], messages: data.messages.slice(0, 5), alerts: [], calls: data.callLog, unsigned: [] }
    if (kind === 'positions' && verb === 'handovers') return items([])
    if (kind && tables[kind]) return items(tables[kind][0])
    if (kind && lists[kind]) return items(lists[kind])
    return refuse()
  }
  const b = c.body
  if (kind === 'logout') return undefined
  if (kind === 'me' && key === 'password') { const u = data.users.find((v) => v.name === c.user)!; u.must_change = false; return undefined }
  if (kind === 'import') return importReply(c)
  if (kind === 'messages' && !key) return postMessage(mock, c)
  if (kind === 'messages' && verb === 'receipts') return postReceipt(mock, c, key!)
  if (kind === 'patches') return patch(mock, c, key)
  if (kind === 'alerts') return alert(mock, c, key, verb)
  if (kind === 'positions' && (verb === 'take' || verb === 'leave')) {
    const p = data.positions.find((v) => v.number === Number(key)) ?? refuse()
    Object.assign(p, verb === 'take' ? { occupant: c.user, since: Date.now() } : { occupant: undefined, since: undefined })
    mock.commit('position', p.number, p)
    return p
  }
  if (kind === 'calls') return callVerb(mock, c, key, verb)
  if (kind === 'site') { mock.live.exercise = (b() as unknown as { exercise: string }).exercise; return undefined }
  if (kind && tables[kind] && c.method === 'PUT' && !sub && !verb) {
    const object = ((b() as Record<string, unknown>)[kind.slice(0, -1)] ?? b()) as Record<string, unknown>
    const [table, name] = tables[kind]
    const at = table.findIndex((o) => String(o[name]) === key)
    if (at >= 0 && table[at]!.revision !== object.revision) throw new Refusal('conflict', 'stale_revision', 409)
    object.revision = Number(object.revision ?? 0) + 1
    if (at >= 0) table[at] = object; else table.push(object)
    mock.commit(kind.slice(0, -1), key!, object)
    return kind === 'users' && at < 0 ? { user: object, password: 'k7Qm-2xVt-9rLp' } : object
  }
  return refuse()
}

function postMessage(mock: Mock, c: Call): Message {
  if (!c.key) throw new Refusal('bad_request', 'no_key', 400)
  const req = c.body() as unknown as Message
  const me = mock.meOf(c.user)
  const m: Message = { ...req, id: c.key, from: me.unit!.number, by: c.user, hlc: Date.now(), at: Date.now(), seq: mock.seq + 1 }
  data.messages.push(m)
  mock.commit('message', m.id, m)
  return m
}
function postReceipt(mock: Mock, c: Call, message: string): Receipt {
  const { recipient, state } = c.body() as unknown as Receipt
  const r: Receipt = { message, recipient, state, steps: [{ state, at: Date.now(), by: c.user }] }
  mock.commit('receipt', `${message}/${recipient}`, r)
  return r
}
function patch(mock: Mock, c: Call, key?: string): Patch | undefined {
  if (c.method === 'DELETE') { const i = data.patches.findIndex((p) => p.id === key); data.patches.splice(i, 1); mock.commit('patch', key!); return undefined }
  const p: Patch = { ...(c.body() as unknown as Patch), id: c.key ?? data.id(), by: c.user, at: Date.now() }
  data.patches.push(p)
  mock.commit('patch', p.id, p)
  return p
}
function alert(mock: Mock, c: Call, key?: string, verb?: string): Alert {
  const me = mock.meOf(c.user)
  if (!key) {
    const a: Alert = { ...(c.body() as unknown as Alert), id: c.key ?? data.id(), unit: me.unit!.number, by: c.user, state: 'raised', raised: Date.now(), stage: 0 }
    data.alerts.push(a)
    mock.commit('alert', a.id, a)
    return a
  }
  const a = data.alerts.find((v) => v.id === key)
  if (!a) return refuse()
  Object.assign(a, verb === 'ack' ? { state: 'acknowledged', acked_at: Date.now(), acked_by: c.user, acked_position: me.position?.number } : { state: 'cleared', cleared_by: c.user, cleared_at: Date.now() })
  mock.commit('alert', a.id, a)
  return a
}
function callVerb(mock: Mock, c: Call, key?: string, verb?: string): CallInfo {
  const me = mock.meOf(c.user)
  const call: CallInfo = key ? (data.calls.find((v) => v.id === key) ?? refuse()) : { id: c.key ?? data.id(), state: 'dialling', from: me.unit!.number, by: c.user, since: Date.now(), ...(c.body() as object) }
  if (!key) data.calls.push(call)
  const next: Record<string, CallInfo['state']> = { answer: 'answered', pickup: 'answered', hold: 'held', resume: 'answered', hang: 'ended', admit: 'in_group', dismiss: 'answered', transfer: 'ended' }
  if (verb) { call.state = next[verb]!; call.by = c.user; call.talk = `call:${call.id}` }
  mock.live.broadcast({ t: 'call', ...call })
  return call
}
function importReply(c: Call): unknown {
  const lines = c.raw.toString().trim().split('\r\n')
  const head = lines[0]!.split(',')
  const rows = lines.slice(1).map((l, i) => {
    const cell = Object.fromEntries(l.split(',').map((v, k) => [head[k], v]))
    return { line: i + 2, number: Number(cell.number), name: cell.name, action: 'create', ...(c.query.get('check') ? {} : { user: cell.user, password: 'mQ4t-8vRz-2nKc' }) }
  })
  return { rows, errors: 0, applied: !c.query.get('check') }
}
const audit = () => ['login', 'group.set', 'break_in', 'force_clear', 'export', 'login'].map((action, i) => ({ seq: i + 1, at: data.START + i * 600e3, by: i % 2 ? 'admin' : 'wangfang', action, target: String(10001 + i), result: i === 5 ? 'wrong_password' : 'ok', from: '10.0.0.21', detail: '', prev: 'aGFzaA==', hash: 'c2hhMjU2OmFiY2Rl' }))
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAICAYAAADA+m62AAAAIklEQVR42mNkYPhfz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC'
