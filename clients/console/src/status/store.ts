import { defineStore } from 'pinia'
import { computed, reactive, ref } from 'vue'
import { useLink } from '../session/link'
import { useSession } from '../session/store'
import { useRecord } from '../record/store'
import { useVoice } from '../voice/store'
import { get } from '../wire/http'
import { nodes } from '../wire/nodes'
import type { Num, Presence, Status } from '../wire/types'
import { now } from '../ui/time'

export interface Notice { id: string; level: 'bad' | 'warn' | 'info'; args?: Record<string, unknown>; action?: 'unblock' | 'mic' | 'settings' | 'reload' | 'nodes' }

/** A move to another node takes well under a second; only when it takes longer has it gone wrong. */
const MOVING_MS = 3000
/** How long it is shown that we have moved. */
const MOVED_MS = 20000

/** What the server and this desk are doing, and everything that a person must be told at once. */
export const useStatus = defineStore('status', () => {
  const link = useLink()
  const session = useSession()
  const record = useRecord()
  const voice = useVoice()
  const status = ref<Status>()
  const presence = reactive(new Map<Num, Presence>())

  link.on('status', (m) => { status.value = (m.status ?? m) as unknown as Status })
  // Who left meanwhile is not told of again: the node tells all who are there.
  link.on('welcome', () => presence.clear())
  link.on('presence', (m) => {
    const list = Object.values(m).find((v) => Array.isArray(v)) as Presence[] | undefined
    for (const p of list ?? []) presence.set(p.unit, p)
  })
  link.on('up', () => {
    if (session.has('see_status')) void get<Status>('/status').then((s) => { status.value = s }, () => undefined)
  })

  const notices = computed<Notice[]>(() => {
    const out: Notice[] = []
    if (!voice.secure) out.push({ id: 'insecure', level: 'bad' })
    const moves = nodes.others > 0 && nodes.token !== ''
    if (!link.up && link.ever && moves && now.value - link.since < MOVING_MS) out.push({ id: 'moving', level: 'warn', args: { node: link.node } })
    else if (!link.up) out.push(link.ever || now.value - link.since > 1500 ? { id: 'link_lost', level: 'bad', args: { seconds: Math.max(0, Math.round((now.value - link.since) / 1000)) } } : { id: 'connecting', level: 'warn' })
    else if (link.moved && now.value - link.moved.at < MOVED_MS) out.push({ id: 'moved', level: 'info', args: { ...link.moved }, action: 'nodes' })
    if (link.up && !voice.connected && voice.secure && now.value - link.since > 3000) out.push({ id: 'media_down', level: 'bad' })
    for (const d of status.value?.degraded ?? []) out.push({ id: `degraded_${d}`, level: 'bad' })
    if (link.up && record.failed) out.push({ id: 'load_failed', level: 'bad', action: 'reload' })
    if (voice.secure && ['denied', 'missing', 'lost', 'busy'].includes(voice.mic)) out.push({ id: `mic_${voice.mic}`, level: 'bad', action: 'mic' })
    if (voice.autoplayBlocked) out.push({ id: 'autoplay', level: 'bad', action: 'unblock' })
    if (voice.unplugged) out.push({ id: 'unplugged', level: 'warn', args: { name: voice.unplugged }, action: 'settings' })
    return out
  })
  const online = (n: Num): boolean | undefined => presence.get(n)?.online

  return { status, presence, notices, online }
})
