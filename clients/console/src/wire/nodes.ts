import type { NodeInfo } from './types'

const STORED = 'guantong.nodes'
/** How many nodes are remembered. */
const MOST = 8
/** How long the heartbeat may take to find a node dead. */
const VERDICT_MS = 1200

interface Store { getItem(key: string): string | null; setItem(key: string, value: string): void }

/**
 * Nodes knows where the site can be reached, and at which node this page is now. The page stays loaded when the node that it came from dies: it
 * goes on at the next one, across origins, by its session's token. A node is left when it does not answer, never because another seems better.
 */
export class Nodes {
  /** The origin of the node that is asked now. */
  at: string
  /** The session's token, in memory only: cookies go to the page's own node alone. */
  token = ''
  /** The site's incarnation: within one, events have the same numbers at every node. */
  incarnation = 0
  /** Where the page's WebSocket is up. Its heartbeat decides when that node is dead, not a single request. */
  anchor = ''
  private list: NodeInfo[] = []
  private gone = new Map<string, AbortController>()

  constructor(readonly home: string, private store?: Store) {
    this.at = home
    try { this.learn(JSON.parse(store?.getItem(STORED) ?? '[]') as NodeInfo[]) } catch { /* what was kept is not ours */ }
  }

  get away(): boolean { return this.at !== this.home }
  /** What comes before a path: nothing at home. */
  get prefix(): string { return this.away ? this.at : '' }
  get origins(): string[] { return [...new Set([this.at, ...this.list.map((n) => n.url), this.home])] }
  get others(): number { return this.origins.length - 1 }

  /** Takes in what a node says of the site's nodes. Those that it does not name stay, at the end: it may not know better. */
  learn(list: NodeInfo[] | undefined): void {
    const good = (Array.isArray(list) ? list : []).filter((n) => typeof n?.url === 'string' && /^https?:\/\/[^/\s]+$/.test(n.url))
    if (!good.length) return
    this.list = [...good, ...this.list.filter((n) => !good.some((g) => g.url === n.url))].slice(0, MOST)
    try { this.store?.setItem(STORED, JSON.stringify(this.list)) } catch { /* no room: they are told again */ }
  }

  /** The node's name, as far as it is known. */
  name(origin = this.at): string { return this.list.find((n) => n.url === origin)?.node ?? new URL(origin).host }

  /** Gives a node up that did not answer: the next one is asked from now on, and what waits for it fails at once. */
  leave(origin: string): boolean {
    if (origin !== this.at || this.others === 0) return false
    const ring = [...new Set([this.home, ...this.list.map((n) => n.url)])].sort()
    this.at = ring[(ring.indexOf(origin) + 1) % ring.length]!
    this.gone.get(origin)?.abort()
    this.gone.delete(origin)
    return true
  }

  /** A request got no answer. While the WebSocket is up there, its word is waited for. */
  async unanswered(origin: string): Promise<void> {
    if (this.anchor !== origin) { this.leave(origin); return }
    const lost = this.lost(origin)
    if (!lost.aborted) await new Promise<void>((done) => { const t = setTimeout(done, VERDICT_MS); lost.addEventListener('abort', () => { clearTimeout(t); done() }) })
  }

  /** Aborts when a node is given up. */
  lost(origin: string): AbortSignal {
    let c = this.gone.get(origin)
    if (!c) this.gone.set(origin, c = new AbortController())
    return c.signal
  }

  /** How a WebSocket to the node is opened; elsewhere than at home the token proves who we are. */
  socket(path: string): { url: string; protocols: string[] } {
    return { url: this.at.replace(/^http/, 'ws') + path, protocols: this.away && this.token ? ['guantong', `bearer.${this.token}`] : [] }
  }

  /** The headers that a request to the node needs. */
  headers(): Record<string, string> { return this.away && this.token ? { Authorization: `Bearer ${this.token}` } : {} }
}

const kept = (): Store | undefined => { try { return typeof localStorage === 'undefined' ? undefined : localStorage } catch { return undefined } }
export const nodes = new Nodes(typeof location === 'undefined' ? 'http://localhost' : location.origin, kept())
