import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { WebSocketServer } from 'ws'
import type { Event } from '../../src/wire/types.ts'
import * as data from './data.ts'
import { answerTo, Refusal } from './live.ts'
import { Live } from './live.ts'

const types: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
const policy = (others: string) => "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; media-src 'self' blob:; img-src 'self' blob: data:; connect-src 'self' wss: ws:" + others
const ID = /^[0-9a-f]{32}$/

/** A server that speaks the client protocol strictly, and remembers in memory only. For tests. */
export class Mock {
  readonly live = new Live(this)
  readonly events: Event[] = []
  readonly requests: string[] = []
  private server: Server
  private uploads = new Map<string, { id: string; size: number; name: string; type: string; hash: string; data: Buffer }>()
  private done = new Map<string, unknown>()
  private sessions = new Map<string, string>()
  /** The other nodes of the site, which know the same log-ins and events. */
  private others: Mock[] = []
  name = 'node-1'
  url = ''
  /** PATCHes to break off after half their octets. */
  breakUploads = 0
  /** Requests are taken and never answered. */
  stuck = false
  /** Answers to be lost after the change was made. */
  loseAnswers = 0
  seq = 100

  constructor(private dist?: string) {
    this.server = createServer((q, s) => void this.serve(q, s))
    const wss = new WebSocketServer({ noServer: true, handleProtocols: (offered) => offered.has('guantong') && 'guantong' })
    this.server.on('upgrade', (q, socket, head) => {
      const user = this.userOf(q)
      if (!user || q.url !== '/api/v1/ws' || !this.ours(q.headers.origin)) { socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n'); return }
      wss.handleUpgrade(q, socket, head, (ws) => this.live.attach(ws, user))
    })
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((r) => this.server.listen(port, '127.0.0.1', r))
    return this.url = `http://localhost:${(this.server.address() as AddressInfo).port}`
  }

  /** Makes this and another server nodes of one site. */
  beside(other: Mock, name: string): void {
    this.others.push(other)
    other.others.push(this)
    other.sessions = this.sessions
    other.done = this.done
    other.name = name
  }
  get nodes(): { node: string; url: string }[] { return [this, ...this.others].map((m) => ({ node: m.name, url: m.url })) }
  private ours(origin: string | undefined): boolean { return this.nodes.some((n) => n.url === origin) }
  async close(): Promise<void> { this.live.close(); this.server.closeAllConnections(); await new Promise((r) => this.server.close(r)) }

  /** A durable event, as after a commit. */
  commit(type: string, key: string | number, value?: unknown): void {
    const ev: Event = { seq: ++this.seq, at: Date.now(), type, key: String(key), ...(value === undefined ? { gone: true } : { data: value }) }
    for (const m of [this, ...this.others]) {
      m.seq = this.seq
      m.events.push(ev)
      m.live.broadcast({ t: 'event', ...ev })
    }
  }

  meOf(user: string) {
    const u = data.users.find((v) => v.name === user)!
    return { user: u, unit: data.units.find((v) => v.number === u.unit), rights: data.rights, position: data.positions.find((p) => p.occupant === user) }
  }

  private userOf(q: IncomingMessage): string | undefined {
    const token = /^Bearer (\w+)$/.exec(q.headers.authorization ?? '')?.[1] ?? /bearer\.(\w+)/.exec(q.headers['sec-websocket-protocol'] ?? '')?.[1] ?? /guantong=([0-9a-f]+)/.exec(q.headers.cookie ?? '')?.[1]
    return token ? this.sessions.get(token) : undefined
  }

  private async serve(q: IncomingMessage, s: ServerResponse): Promise<void> {
    const url = new URL(q.url ?? '/', 'http://x')
    if (!url.pathname.startsWith('/api/v1/')) { this.page(url.pathname, s); return }
    this.requests.push(`${q.method} ${url.pathname}${url.search}`)
    if (this.ours(q.headers.origin)) s.setHeader('Access-Control-Allow-Origin', q.headers.origin!)
    if (q.method === 'OPTIONS') { s.writeHead(204, { 'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE', 'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key, Upload-Offset, Range' }).end(); return }
    if (this.stuck) return
    const chunks: Buffer[] = []
    for await (const c of q) chunks.push(c as Buffer)
    try {
      const reply = await this.api(q, s, url, Buffer.concat(chunks))
      if (q.method === 'POST' && this.loseAnswers > 0) { this.loseAnswers--; s.destroy(); return }
      if (reply instanceof Buffer) { s.writeHead(200, { 'Content-Type': 'image/png' }).end(reply); return }
      s.writeHead(200, { 'Content-Type': 'application/json' }).end(reply === undefined ? '' : JSON.stringify(reply))
    } catch (err) {
      const e = err instanceof Refusal ? err : new Refusal('broken', 'internal', 500, String(err))
      s.writeHead(e.status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: { fault: e.fault, reason: e.reason, detail: e.detail } }))
    }
  }

  private page(path: string, s: ServerResponse): void {
    const file = normalize(join(this.dist ?? '.', path === '/' ? 'index.html' : path))
    try { s.writeHead(200, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': policy(this.others.map((m) => ' ' + m.url).join('')) }).end(readFileSync(file)) } catch { s.writeHead(404).end() }
  }

  private async api(q: IncomingMessage, s: ServerResponse, url: URL, body: Buffer): Promise<unknown> {
    const path = url.pathname.slice('/api/v1'.length)
    const json = () => { try { return JSON.parse(body.toString() || '{}') as Record<string, never> } catch { throw new Refusal('bad_request', 'bad_json', 400) } }
    if (path === '/login' && q.method === 'POST') return this.login(json(), s)
    const user = this.userOf(q)
    if (!user) throw new Refusal('not_allowed', 'login', 401)
    if (path === '/me/token') return { token: [...this.sessions].find(([, u]) => u === user)![0] }
    if (path === '/nodes') return { items: data.nodes(this.nodes) }
    if (q.method !== 'GET' && !this.ours(q.headers.origin)) throw new Refusal('not_allowed', 'origin', 403)
    const key = q.headers['idempotency-key'] as string | undefined
    if (key !== undefined && !ID.test(key)) throw new Refusal('bad_request', 'bad_id', 400)
    if (key && this.done.has(key)) return this.done.get(key)
    const reply = path.startsWith('/uploads') ? this.upload(q, path, body, json) : this.object(user, q.method ?? 'GET', path, url.searchParams, json, key, body)
    if (key) this.done.set(key, reply)
    return reply
  }

  private login(b: Record<string, never>, s: ServerResponse): unknown {
    const { user, password, totp } = b as { user?: string; password?: string; totp?: string }
    if (!data.users.some((u) => u.name === user) || password !== 'secret') throw new Refusal('not_allowed', 'wrong_password', 403)
    if (user === 'wangfang' && !totp) return { needs_totp: true }
    const token = createHash('sha256').update(String(Math.random())).digest('hex')
    this.sessions.set(token, user!)
    s.setHeader('Set-Cookie', `guantong=${token}; HttpOnly; SameSite=Strict; Path=/`)
    return { token, expires: Date.now() + 3600e3, me: this.meOf(user!), nodes: this.nodes }
  }

  private upload(q: IncomingMessage, path: string, body: Buffer, json: () => Record<string, never>): unknown {
    const state = (u: NonNullable<ReturnType<typeof this.uploads.get>>) => {
      const done = u.data.length === u.size
      return { id: u.id, offset: u.data.length, size: u.size, done, ...(done ? { file: { hash: u.hash, name: u.name, type: u.type, size: u.size } } : {}) }
    }
    if (q.method === 'POST') {
      const meta = json() as unknown as { name: string; type: string; size: number; hash: string }
      if (!/^sha256:[0-9a-f]{64}$/.test(meta.hash)) throw new Refusal('bad_request', 'bad_hash', 400)
      const known = [...this.uploads.values()].find((u) => u.hash === meta.hash)
      if (known) return state(known)
      const u = { ...meta, id: data.id(Math.floor(Math.random() * 1e9)), data: Buffer.alloc(0) }
      this.uploads.set(u.id, u)
      return state(u)
    }
    const u = this.uploads.get(path.slice('/uploads/'.length))
    if (!u) throw new Refusal('not_found', 'upload', 404)
    if (q.method === 'PATCH') {
      if (Number(q.headers['upload-offset']) !== u.data.length) throw new Refusal('conflict', 'wrong_offset', 409)
      if (this.breakUploads-- > 0) { u.data = Buffer.concat([u.data, body.subarray(0, body.length / 2)]); throw new Refusal('cut_off', 'broken_off', 503) }
      u.data = Buffer.concat([u.data, body])
      if (u.data.length === u.size && 'sha256:' + createHash('sha256').update(u.data).digest('hex') !== u.hash) { this.uploads.delete(u.id); throw new Refusal('bad_request', 'hash_mismatch', 400) }
    }
    return state(u)
  }

  private object(user: string, method: string, path: string, p: URLSearchParams, json: () => Record<string, never>, key: string | undefined, body: Buffer): unknown {
    return answerTo(this, { user, method, path, query: p, body: json, key, raw: body })
  }
}
