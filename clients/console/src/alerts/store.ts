import { defineStore } from 'pinia'
import { computed, reactive, ref, watch } from 'vue'
import { useFloor } from '../floor/store'
import { useLink } from '../session/link'
import { useSession } from '../session/store'
import { useRecord } from '../record/store'
import { useVoice } from '../voice/store'
import { WireError, post } from '../wire/http'
import { newID } from '../wire/id'
import type { Alert, ID, Num } from '../wire/types'

/** An emergency of our own that the server has not accepted yet. */
export interface Raising { id: ID; group?: Num; tries: number; failed?: string }
const RETRY_MS = 1000
const FIX_MS = 1500

/** Emergency alerts: what is open, what sounds, and raising one so that it gets through. */
export const useAlerts = defineStore('alerts', () => {
  const record = useRecord()
  const session = useSession()
  const floor = useFloor()
  const voice = useVoice()
  const link = useLink()
  const sounding = reactive(new Set<ID>())
  const raising = ref<Raising>()

  const open = computed(() => [...record.alerts.values()].filter((a) => a.state !== 'cleared').sort((a, b) => rank(a) - rank(b) || b.raised - a.raised))
  const unacknowledged = computed(() => open.value.filter((a) => a.state === 'raised'))
  const sounds = computed(() => unacknowledged.value.some((a) => sounding.has(a.id) || a.stage >= 1))

  const ack = (a: Alert) => post(`/alerts/${a.id}/ack`, { position: session.position?.number ?? 0 })
  const clear = (a: Alert) => post(`/alerts/${a.id}/clear`)

  /** Raises an alert, and does not stop trying until the server has it. The place is added when it is known soon enough. */
  async function raise(group: Num | undefined): Promise<void> {
    const mine: Raising = { id: newID(), group, tries: 0 }
    raising.value = mine
    if (group) floor.emergencyTalks.add(String(group))
    const place = await locate()
    for (;;) {
      try {
        const a = await post<Alert & { held?: boolean }>('/alerts', { ...(group ? { group } : {}), ...place }, mine.id)
        if (a && !a.held) record.alerts.set(a.id, a)
        raising.value = undefined
        return
      } catch (err) {
        raising.value = { ...mine, tries: ++mine.tries, failed: err instanceof WireError ? err.reason : 'internal' }
        if (err instanceof WireError && !err.transient && err.fault !== 'not_allowed' && mine.tries > 5) { raising.value = undefined; throw err }
        if (err instanceof WireError && err.fault === 'not_allowed') { raising.value = undefined; throw err }
        await new Promise((r) => setTimeout(r, RETRY_MS))
      }
    }
  }

  link.on('sound', (m) => {
    const a = typeof m.alert === 'string' ? undefined : m.alert as Alert | undefined
    if (a && !record.alerts.has(a.id)) record.alerts.set(a.id, a) // it is held at this node: its event comes when there is a quorum
    sounding.add(a?.id ?? String(m.alert ?? ''))
  })
  record.watch((ev) => {
    if (ev.type !== 'alert' || ev.gone) return
    const a = ev.data as Alert
    if (a.state === 'raised' && a.stage === 0) voice.tones.sound('revoked')
    if (a.state !== 'raised') sounding.delete(a.id)
    if (a.state === 'cleared' && a.unit === session.unit && a.group) floor.emergencyTalks.delete(String(a.group))
  })
  watch(sounds, (on) => (on ? voice.tones.startAlarm() : voice.tones.stopAlarm()))

  return { open, unacknowledged, sounds, raising, ack, clear, raise }
})

const rank = (a: Alert): number => (a.state === 'raised' ? 0 : 1)

/** Where this desk is, if the browser may say so and knows at once. An alert never waits longer for it. */
function locate(): Promise<{ lat?: number; lon?: number }> {
  if (!navigator.geolocation || !window.isSecureContext) return Promise.resolve({})
  return new Promise((resolve) => {
    const give = setTimeout(() => resolve({}), FIX_MS)
    const done = (v: { lat?: number; lon?: number }) => { clearTimeout(give); resolve(v) }
    void (navigator.permissions?.query({ name: 'geolocation' }) ?? Promise.resolve({ state: 'denied' })).then((p) => {
      // Asking now would put a browser's dialog between a person and its emergency.
      if (p.state !== 'granted') { done({}); return }
      navigator.geolocation.getCurrentPosition((g) => done({ lat: g.coords.latitude, lon: g.coords.longitude }), () => done({}), { maximumAge: 60000, timeout: FIX_MS })
    }, () => done({}))
  })
}
