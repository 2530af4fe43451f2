import { ref } from 'vue'

// One clock for the whole page. It shows the server's time, in the time zone that the whole federation uses.
const zone = 'Asia/Shanghai'
let skew = 0
export const now = ref(Date.now())
setInterval(() => { now.value = Date.now() + skew }, 250)

/** Takes the server's clock for the shown one. */
export function setServerTime(ms: number): void { skew = ms - Date.now(); now.value = ms }

const clockFormat = new Intl.DateTimeFormat('zh-CN', { timeZone: zone, hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
const dayFormat = new Intl.DateTimeFormat('zh-CN', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' })

export const clock = (ms: number): string => clockFormat.format(ms)
export const day = (ms: number): string => dayFormat.format(ms).replaceAll('/', '-')
/** The time alone today, with the date otherwise. */
export function stamp(ms: number): string {
  return day(ms) === day(now.value) ? clock(ms) : `${day(ms).slice(5)} ${clock(ms)}`
}
/** A length as 0:07 or 1:02:03. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`
}
/** The value of a datetime-local field, read and written in the shown time zone (UTC+8, no summer time). */
export const toField = (ms: number): string => new Date(ms + 8 * 3600e3).toISOString().slice(0, 16)
export const fromField = (text: string): number | undefined => (text ? Date.parse(text + ':00Z') - 8 * 3600e3 : undefined)

export function octets(n: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++ }
  return `${n >= 100 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`
}
