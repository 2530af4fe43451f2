import { WireError, get, post, send } from '../wire/http'
import type { Attachment, Upload } from '../wire/types'
import { sha256 } from './sha256'

export const MAX_FILE = 50 * 1024 * 1024
export const CHUNK = 256 * 1024
const RETRY_MS = [200, 500, 1000, 2000, 4000]

/** The server's side of an upload, apart so that tests can break it. */
export interface Store {
  begin(meta: { name: string; type: string; size: number; hash: string }): Promise<Upload>
  append(id: string, offset: number, chunk: Blob): Promise<Upload>
  state(id: string): Promise<Upload>
}

export const httpStore: Store = {
  begin: (meta) => post<Upload>('/uploads', meta),
  append: async (id, offset, chunk) => {
    const headers = { 'Upload-Offset': String(offset), 'Content-Type': 'application/octet-stream' }
    return (await (await send('PATCH', `/uploads/${id}`, chunk, headers, 60000)).json()) as Upload
  },
  state: (id) => get<Upload>(`/uploads/${id}`),
}

export interface Progress { sent: number; size: number; retrying: boolean }

/**
 * upload brings a file to the server in chunks. After any failure it asks how far the server got and goes on there; the same
 * file sent again later (another page, after a restart) is recognised by its hash and continues as well. An upload that the server
 * no longer knows may be finished, its answer lost on the way: beginning again tells.
 */
export async function upload(
  file: File, progress: (p: Progress) => void, store = httpStore, signal?: AbortSignal, wait = (ms: number) => new Promise((r) => setTimeout(r, ms)),
): Promise<Attachment> {
  if (file.size > MAX_FILE) throw new WireError('bad_request', 'file_too_large')
  const meta = { name: file.name, type: file.type || 'application/octet-stream', size: file.size, hash: await sha256(file) }
  let failures = 0
  let forgotten = 0
  const patient = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try { return await work() } catch (err) {
      if (err instanceof WireError && err.fault === 'not_found' && at && forgotten++ < 3) { at = undefined; return undefined }
      if (!(err instanceof WireError) || !(err.transient || err.fault === 'conflict') || failures >= 60) throw err
      progress({ sent: at?.offset ?? 0, size: file.size, retrying: true })
      await wait(err.retryAfter ? err.retryAfter * 1000 : RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]!)
      return undefined
    }
  }
  let at: Upload | undefined
  let sure = false
  for (;;) {
    signal?.throwIfAborted()
    if (!at) { at = await patient(() => store.begin(meta)); sure = !!at; continue }
    if (at.done) break
    if (!sure) { const seen: Upload | undefined = await patient(() => store.state(at!.id)); if (seen) { at = seen; sure = true } continue }
    const from: Upload = at
    const next: Upload | undefined = await patient(() => store.append(from.id, from.offset, file.slice(from.offset, from.offset + CHUNK)))
    if (next) { at = next; failures = 0; progress({ sent: next.offset, size: file.size, retrying: false }) } else sure = false
  }
  progress({ sent: file.size, size: file.size, retrying: false })
  return at.file ?? { hash: meta.hash, name: meta.name, type: meta.type, size: meta.size }
}
