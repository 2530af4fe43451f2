import { BEAT_MS, Heartbeat } from './heartbeat'
import { WireError, base } from './http'
import type { Nodes } from './nodes'
import { nodes as site } from './nodes'

export interface Incoming { t: string; re?: number; error?: { fault: string; reason: string; detail?: string }; [k: string]: unknown }
type Handler = (msg: Incoming) => void
interface Waiting { resolve: (m: Incoming) => void; reject: (e: Error) => void; timer: ReturnType<typeof setTimeout> }

export interface Hooks {
  hello(): Record<string, unknown>
  message: Handler
  up(): void
  down(reason: string): void
}

const BACKOFF = [0, 100, 250, 500, 1000, 2000]
const REQUEST_MS = 5000
/** A ping is answered at most so often. */
const PONG_MS = 1000
/** An attempt that has not been welcomed by then is given up. */
const WELCOME_MS = 4000
/** Sooner where there is another node to go to. */
const NEXT_MS = 1500

/** How long to wait before attempt n, so that a site full of consoles does not come back in one instant. */
export function backoff(attempt: number, random = Math.random()): number {
  const step = BACKOFF[Math.min(attempt, BACKOFF.length - 1)]!
  return step * (0.75 + random / 2)
}

/**
 * Socket is the WebSocket of a session. It says hello, watches the heartbeat, matches answers to requests, and comes back by
 * itself until stop(). It is up from the server's welcome on.
 */
export class Socket {
  private ws?: WebSocket
  private waiting = new Map<number, Waiting>()
  private nextID = 1
  private attempt = 0
  private watch?: ReturnType<typeof setInterval>
  private retry?: ReturnType<typeof setTimeout>
  private running = false
  private welcomed = false
  private ponged = -Infinity

  /** The node that this socket is at, or tries. */
  origin = ''

  constructor(private hooks: Hooks, private nodes: Nodes = site) {}

  start(): void { this.running = true; this.attempt = 0; this.connect() }

  stop(): void {
    this.running = false
    clearTimeout(this.retry)
    this.drop('stopped')
  }

  /** Tries again at once: the network is said to be back. */
  hurry(): void {
    if (!this.running || this.ws) return
    clearTimeout(this.retry)
    this.attempt = 0
    this.connect()
  }

  /** Sends without waiting for an answer; false when there is no link. */
  tell(t: string, fields: Record<string, unknown> = {}): boolean {
    if (!this.welcomed || this.ws?.readyState !== WebSocket.OPEN) return false
    this.ws.send(JSON.stringify({ t, ...fields }))
    return true
  }

  ask(t: string, fields: Record<string, unknown> = {}): Promise<Incoming> {
    const id = this.nextID++
    return new Promise((resolve, reject) => {
      if (!this.tell(t, { ...fields, id })) { reject(new WireError('cut_off', 'unreachable')); return }
      const timer = setTimeout(() => { this.waiting.delete(id); reject(new WireError('cut_off', 'no_answer')) }, REQUEST_MS)
      this.waiting.set(id, { resolve, reject, timer })
    })
  }

  private connect(): void {
    const to = this.nodes.socket(base + '/ws')
    this.origin = this.nodes.at
    const ws = new WebSocket(to.url, to.protocols)
    this.ws = ws
    this.welcomed = false
    this.ponged = -Infinity
    const beat = new Heartbeat(performance.now())
    const giveUp = setTimeout(() => { if (!this.welcomed && this.ws === ws) this.drop('no_welcome') }, this.nodes.others ? NEXT_MS : WELCOME_MS)
    ws.onopen = () => {
      beat.hear(performance.now())
      ws.send(JSON.stringify({ t: 'hello', ...this.hooks.hello() }))
      this.watch = setInterval(() => { if (beat.dead(performance.now())) this.drop('heartbeat') }, BEAT_MS)
    }
    ws.onmessage = (e: MessageEvent<string>) => {
      if (this.ws !== ws) return
      beat.hear(performance.now())
      this.receive(ws, e.data)
    }
    ws.onclose = () => { clearTimeout(giveUp); if (this.ws === ws) this.drop('closed') }
  }

  private receive(ws: WebSocket, text: string): void {
    let msg: Incoming
    try { msg = JSON.parse(text) as Incoming } catch { return }
    if (msg.t === 'ping') { this.pong(ws); return }
    if (msg.t === 'welcome') { this.welcomed = true; this.attempt = 0; this.nodes.anchor = this.origin; this.hooks.message(msg); this.hooks.up(); return }
    if (msg.re !== undefined && this.settle(msg)) return
    this.hooks.message(msg)
  }

  /** The server wants to know now and then that we are there; each of its pings would be more than either end needs. */
  private pong(ws: WebSocket): void {
    const now = performance.now()
    if (now - this.ponged < PONG_MS) return
    this.ponged = now
    ws.send('{"t":"pong"}')
  }

  private settle(msg: Incoming): boolean {
    const w = this.waiting.get(msg.re!)
    if (!w) return false
    this.waiting.delete(msg.re!)
    clearTimeout(w.timer)
    if (msg.t === 'error') w.reject(new WireError(msg.error?.fault ?? 'broken', msg.error?.reason ?? 'internal', msg.error?.detail))
    else w.resolve(msg)
    return true
  }

  private drop(reason: string): void {
    const ws = this.ws
    if (!ws) return
    this.ws = undefined
    this.welcomed = false
    clearInterval(this.watch)
    ws.onclose = null
    ws.close()
    for (const w of this.waiting.values()) { clearTimeout(w.timer); w.reject(new WireError('cut_off', 'unreachable')) }
    this.waiting.clear()
    if (this.nodes.anchor === this.origin) this.nodes.anchor = ''
    const moves = this.running && this.nodes.token !== '' && this.nodes.leave(this.origin)
    this.hooks.down(reason)
    // Each other node is tried at once; only when none of them answered is there a pause.
    const pause = moves && this.attempt < this.nodes.others ? 0 : backoff(Math.max(0, this.attempt - this.nodes.others))
    this.attempt++
    if (this.running) this.retry = setTimeout(() => this.connect(), pause)
  }
}
