/** Where a press may come from. A pedal keeps its own truth and survives a change of focus; the others do not. */
export type Source = 'key' | 'pointer' | 'pedal' | 'emergency'

/** Keys that write nothing: a foot switch set to one of them works while a field has the focus. */
export function isSilentKey(code: string): boolean {
  return /^(F([1-9]|1\d|2[0-4])|Pause|ScrollLock|Insert|ContextMenu|Launch\w+|Media\w+|BrowserHome)$/.test(code)
}

/** Whether a key pressed on this element belongs to the element: somebody types, or works a control with the space bar. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.closest('[contenteditable=""],[contenteditable="true"]')) return true
  const tag = target.tagName
  if (tag === 'TEXTAREA' || tag === 'SELECT') return true
  return tag === 'INPUT' && (target as HTMLInputElement).type !== 'range'
}

/** Held counts who holds the key: it goes down with the first and up with the last. */
export class Held {
  private sources = new Set<Source>()
  constructor(private down: () => void, private up: () => void) {}
  press(s: Source): void {
    const first = this.sources.size === 0
    this.sources.add(s)
    if (first) this.down()
  }
  release(s: Source): void {
    if (this.sources.delete(s) && this.sources.size === 0) this.up()
  }
  /** Focus or sight was lost: the release of these will never be seen. */
  drop(): void {
    for (const s of [...this.sources]) if (s !== 'pedal') this.release(s)
  }
  has(s: Source): boolean { return this.sources.has(s) }
}

/** Listens to the keyboard and to the loss of focus; gives back how to stop. */
export function listenKeys(held: Held, code: () => string, blocked: () => boolean): () => void {
  const mine = (e: KeyboardEvent) => e.code === code() && !e.ctrlKey && !e.altKey && !e.metaKey
  const down = (e: KeyboardEvent) => {
    if (!mine(e) || blocked()) return
    if (isTyping(e.target) && !isSilentKey(e.code)) return
    e.preventDefault()
    if (!e.repeat) held.press('key')
  }
  const up = (e: KeyboardEvent) => {
    if (e.code !== code() || !held.has('key')) return
    e.preventDefault()
    held.release('key')
  }
  const drop = () => held.drop()
  const hide = () => { if (document.visibilityState === 'hidden') held.drop() }
  window.addEventListener('keydown', down, true)
  window.addEventListener('keyup', up, true)
  window.addEventListener('blur', drop)
  document.addEventListener('visibilitychange', hide)
  return () => {
    window.removeEventListener('keydown', down, true)
    window.removeEventListener('keyup', up, true)
    window.removeEventListener('blur', drop)
    document.removeEventListener('visibilitychange', hide)
  }
}
