import { reactive } from 'vue'
import { useSettings } from '../ui/settings'
import type { Burst } from '../wire/types'
import { source } from '../wire/http'

/** The one replay of this page: which burst, how far, and whether it failed. */
export const replay = reactive({ id: '', part: 0, playing: false, failed: false })
let el: HTMLAudioElement | undefined
let after: (() => void) | undefined

function element(): HTMLAudioElement {
  if (el) return el
  el = new Audio()
  el.ontimeupdate = () => { if (el!.duration > 0) replay.part = el!.currentTime / el!.duration }
  el.onended = () => { replay.playing = false; replay.part = 0; after?.() }
  el.onerror = () => { replay.playing = false; replay.failed = true }
  return el
}

/** Plays a burst from a part (0…1) of it, or stops the one that plays. */
export async function play(b: Burst, part = 0, then?: () => void): Promise<void> {
  const a = element()
  if (replay.id === b.id && replay.playing && part === 0) { stop(); return }
  after = then
  Object.assign(replay, { id: b.id, part, playing: true, failed: false })
  try { a.src = await source(`/bursts/${b.id}/audio`) } catch { replay.playing = false; replay.failed = true; return }
  if (replay.id !== b.id) return
  const sink = useSettings().speaker
  if (sink) await a.setSinkId?.(sink).catch(() => undefined)
  if (part > 0) a.onloadedmetadata = () => { a.currentTime = part * (Number.isFinite(a.duration) ? a.duration : b.duration_ms / 1000) }
  else a.onloadedmetadata = null
  await a.play().catch(() => { replay.playing = false; replay.failed = true })
}

export function stop(): void {
  after = undefined
  el?.pause()
  Object.assign(replay, { id: '', part: 0, playing: false })
}
