import { newID } from './id'
import { nodes } from './nodes'
import type { List } from './types'

/** A refusal by the server, or a failure to reach it (fault cut_off, reason unreachable). */
export class WireError extends Error {
  constructor(readonly fault: string, readonly reason: string, readonly detail = '', readonly status = 0, readonly retryAfter = 0) {
    super(`${fault}: ${reason}${detail ? ': ' + detail : ''}`)
  }
  /** Whether the same request may succeed later without any change. */
  get transient(): boolean {
    return this.fault === 'busy' || this.fault === 'cut_off' || (this.fault === 'broken' && this.status !== 500)
  }
}

export const base = '/api/v1'

let onLoggedOut: () => void = () => undefined
/** Says what is to happen when the server no longer knows our session. */
export function whenLoggedOut(f: () => void): void { onLoggedOut = f }

async function refusal(res: Response): Promise<WireError> {
  const retry = Number(res.headers.get('Retry-After') ?? 0)
  try {
    const body = (await res.json()) as { error?: { fault?: string; reason?: string; detail?: string } }
    if (body.error) return new WireError(body.error.fault ?? 'broken', body.error.reason ?? 'internal', body.error.detail, res.status, retry)
  } catch { /* not our error format: a proxy speaks */ }
  return new WireError(res.status === 503 ? 'cut_off' : 'broken', `http_${res.status}`, '', res.status, retry)
}

async function call(method: string, path: string, body: BodyInit | undefined, headers: Record<string, string>, timeoutMs: number): Promise<Response> {
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), nodes.lost(nodes.at)])
  return await fetch(nodes.prefix + base + path, {
    method, body, headers: { ...headers, ...nodes.headers() }, credentials: nodes.away ? 'omit' : 'same-origin', cache: 'no-store', signal,
  })
}

/** Whether a request may be made again where it got no answer: what changes something has an ID, and is done once. */
const again = (method: string, path: string, headers: Record<string, string>) => method === 'GET' || 'Idempotency-Key' in headers || path === '/login'

/** Sends one request and gives the response, or throws a WireError. A node that does not answer is left, and the next one asked. */
export async function send(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}, timeoutMs = 15000): Promise<Response> {
  let res: Response | undefined
  for (let left = nodes.others + 1; !res; left--) {
    const origin = nodes.at
    try { res = await call(method, path, body, headers, timeoutMs) } catch {
      if (left > 1) await nodes.unanswered(origin)
      if (left <= 1 || !again(method, path, headers)) throw new WireError('cut_off', 'unreachable')
    }
  }
  if (res.ok) return res
  const err = await refusal(res)
  if (err.status === 401 && err.reason === 'login' && path !== '/login') onLoggedOut()
  throw err
}

async function json<T>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method !== 'GET') headers['Idempotency-Key'] = key ?? newID()
  const res = await send(method, path, body === undefined ? undefined : JSON.stringify(body), headers)
  const text = await res.text()
  return (text ? JSON.parse(text) : undefined) as T
}

export const get = <T>(path: string): Promise<T> => json<T>('GET', path)
export const post = <T>(path: string, body: unknown = {}, key?: string): Promise<T> => json<T>('POST', path, body, key)
export const put = <T>(path: string, body: unknown, key?: string): Promise<T> => json<T>('PUT', path, body, key)
export const del = <T>(path: string, body?: unknown): Promise<T> => json<T>('DELETE', path, body)

/** Where a picture, a recording or a file is, for an element that shows it: elsewhere than at home it has to be fetched first, for elements carry no token. */
export async function source(path: string): Promise<string> {
  if (!nodes.away) return base + path
  return URL.createObjectURL(await (await send('GET', path, undefined, {}, 120000)).blob())
}

/** Follows a link to a file: at home the browser does, elsewhere the file is fetched and handed to it. */
export async function follow(event: Event, path: string, name: string): Promise<void> {
  if (!nodes.away) return
  event.preventDefault()
  const a = document.createElement('a')
  a.href = await source(path)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 60000)
}

/** Builds a query string from what is set. */
export function query(q: Record<string, string | number | boolean | undefined>): string {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(q)) if (v !== undefined && v !== '') p.set(k, String(v))
  const s = p.toString()
  return s ? '?' + s : ''
}

/** Reads a whole list, page after page, up to max items. */
export async function all<T>(path: string, max = 5000): Promise<T[]> {
  const out: T[] = []
  let next: string | undefined
  do {
    const sep = path.includes('?') ? '&' : '?'
    const page = await get<List<T> | T[]>(next ? `${path}${sep}cursor=${encodeURIComponent(next)}` : path)
    if (Array.isArray(page)) return page
    out.push(...(page.items ?? []))
    next = page.next
  } while (next && out.length < max)
  return out
}
