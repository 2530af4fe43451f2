import { newID } from './id'
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

/** Sends one request and gives the response, or throws a WireError. */
export async function send(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}, timeoutMs = 15000): Promise<Response> {
  let res: Response
  try {
    res = await fetch(base + path, { method, body, headers, credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) })
  } catch {
    throw new WireError('cut_off', 'unreachable')
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
