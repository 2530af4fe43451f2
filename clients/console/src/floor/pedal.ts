import type { Held } from './keys'

/** Whether this browser can read a pedal by itself. */
export const pedalPossible = (): boolean => 'hid' in navigator

/** Whether a report says that the pedal is down: pedals send one bit per switch, all clear with the foot off. */
export function pedalDown(data: DataView): boolean {
  for (let i = 0; i < data.byteLength; i++) if (data.getUint8(i) !== 0) return true
  return false
}

/** Opens every pedal that was allowed before, and follows what is plugged and unplugged; gives back how to stop. */
export async function listenPedals(held: Held, changed: (names: string[]) => void): Promise<() => void> {
  if (!pedalPossible()) return () => undefined
  const open = new Map<HIDDevice, () => void>()
  const names = () => changed([...open.keys()].map((d) => d.productName || 'HID'))
  const attach = async (d: HIDDevice) => {
    if (open.has(d)) return
    try { if (!d.opened) await d.open() } catch { return }
    const report = (e: HIDInputReportEvent) => (pedalDown(e.data) ? held.press('pedal') : held.release('pedal'))
    d.addEventListener('inputreport', report)
    open.set(d, () => d.removeEventListener('inputreport', report))
    names()
  }
  const plugged = (e: HIDConnectionEvent) => void attach(e.device)
  const unplugged = (e: HIDConnectionEvent) => {
    open.get(e.device)?.()
    if (open.delete(e.device)) held.release('pedal')
    names()
  }
  navigator.hid.addEventListener('connect', plugged)
  navigator.hid.addEventListener('disconnect', unplugged)
  for (const d of await navigator.hid.getDevices()) await attach(d)
  return () => {
    navigator.hid.removeEventListener('connect', plugged)
    navigator.hid.removeEventListener('disconnect', unplugged)
    for (const off of open.values()) off()
    held.release('pedal')
  }
}

/** Lets the person choose a pedal. The browser blocks keyboards here: such a foot switch is a key and is set as one. */
export async function choosePedal(): Promise<boolean> {
  const chosen = await navigator.hid.requestDevice({ filters: [] })
  return chosen.length > 0
}
