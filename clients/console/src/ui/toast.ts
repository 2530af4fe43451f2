import { reactive } from 'vue'

export interface Toast { id: number; kind: 'info' | 'warn' | 'error'; text: string }
export const toasts = reactive<Toast[]>([])
let next = 1

/** Says something in passing. What must not be missed belongs into the banner instead. */
export function toast(text: string, kind: Toast['kind'] = 'info', ms = kind === 'info' ? 4000 : 9000): void {
  const id = next++
  toasts.push({ id, kind, text })
  if (toasts.length > 5) toasts.shift()
  setTimeout(() => dismiss(id), ms)
}

export function dismiss(id: number): void {
  const i = toasts.findIndex((t) => t.id === id)
  if (i >= 0) toasts.splice(i, 1)
}
