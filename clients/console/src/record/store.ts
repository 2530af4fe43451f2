import { defineStore } from 'pinia'
import { computed, reactive, ref } from 'vue'
import { all, get, query } from '../wire/http'
import type {
  Alert, Burst, CallRecord, Event, Extension, Group, Handover, List, Member, Message, Num, Patch, Position, Receipt, Unit, User,
} from '../wire/types'
import { useSession } from '../session/store'
import { useLink } from '../session/link'
import { Resume } from './resume'

const KEEP_BURSTS = 600
const KEEP_MESSAGES = 2000

/** The site's durable objects as this page knows them: lists first, then every event in order. */
export const useRecord = defineStore('record', () => {
  const groups = reactive(new Map<Num, Group>())
  const units = reactive(new Map<Num, Unit>())
  const users = reactive(new Map<string, User>())
  const extensions = reactive(new Map<Num, Extension>())
  const positions = reactive(new Map<Num, Position>())
  const members = reactive(new Map<string, Member>())
  const patches = reactive(new Map<string, Patch>())
  const alerts = reactive(new Map<string, Alert>())
  const messages = reactive(new Map<string, Message>())
  const receipts = reactive(new Map<string, Receipt>())
  const bursts = reactive(new Map<string, Burst>())
  const calls = reactive(new Map<string, CallRecord>())
  /** The unit of each user: what was done is said to be done by a user, and shown with the person's name. */
  const people = reactive(new Map<string, Num>())
  const loaded = ref(false)
  const failed = ref<unknown>()
  const resume = new Resume()
  const watchers: ((ev: Event) => void)[] = []

  const tables: Record<string, Map<string | number, unknown>> = {
    group: groups, unit: units, user: users, extension: extensions, position: positions, member: members, patch: patches,
    alert: alerts, message: messages, receipt: receipts, burst: bursts, call: calls,
  } as never
  const numbered = new Set(['group', 'unit', 'extension', 'position'])
  const keyOf = (type: string, key: string) => (numbered.has(type) ? Number(key) : key)

  function apply(ev: Event): void {
    const table = tables[ev.type]
    if (table) {
      const key = ev.type === 'receipt' && ev.data ? receiptKey(ev.data as Receipt) : keyOf(ev.type, ev.key)
      if (ev.gone) table.delete(key)
      else if (ev.data) table.set(key, ev.data)
    }
    if (ev.type === 'position') followSeat(ev)
    if (ev.type === 'user' && ev.key === useSession().name) void useSession().refresh()
    if (ev.type === 'unit' || ev.type === 'user') meetSoon()
    if (ev.type === 'site') followSite(ev.data as { name: string; exercise?: string })
    if (ev.type === 'burst') trim(bursts, KEEP_BURSTS)
    if (ev.type === 'message') trim(messages, KEEP_MESSAGES)
    for (const w of watchers) w(ev)
  }

  /** An exercise begins or ends: it is absent when there is none. */
  function followSite(now: { name: string; exercise?: string }): void {
    const session = useSession()
    if (session.site) session.site = { ...session.site, name: now.name, exercise: now.exercise ?? '' }
  }

  function followSeat(ev: Event): void {
    const session = useSession()
    if (!session.me || ev.gone) return
    const p = ev.data as Position
    if (p.occupant && p.occupant === session.name) session.me.position = p
    else if (session.me.position?.number === p.number) session.me.position = undefined
  }

  async function settle(step: { apply: Event[]; gap?: number }): Promise<void> {
    step.apply.forEach(apply)
    while (step.gap !== undefined) {
      try {
        const page = await get<List<Event>>('/events' + query({ after: step.gap, limit: 500 }))
        const items = page.items ?? []
        step = resume.fill(items, items.length < 500)
      } catch { setTimeout(() => void settle(resume.ready()), 1000); return }
      step.apply.forEach(apply)
    }
  }

  const meet = () => list<{ user: string; unit: Num }>('/people', (p) => people.set(p.user, p.unit)).catch(() => undefined)
  let meeting: ReturnType<typeof setTimeout> | undefined
  /** New users come with new units, and often hundreds at once. */
  function meetSoon(): void { clearTimeout(meeting); meeting = setTimeout(() => void meet(), 2000) }

  const list = async <T>(path: string, put: (v: T) => void, max?: number) => { for (const v of await all<T>(path, max)) put(v) }

  async function load(): Promise<void> {
    failed.value = undefined
    const session = useSession()
    const admin = session.has('admin_objects') || session.has('admin_users')
    const jobs: Promise<void>[] = [
      list<Group>('/groups', (v) => groups.set(v.number, v)),
      list<Unit>('/units', (v) => units.set(v.number, v)),
      list<Position>('/positions', (v) => positions.set(v.number, v)),
      list<Patch>('/patches', (v) => patches.set(v.id, v)),
      list<Alert>('/alerts?open=1', (v) => alerts.set(v.id, v)),
      list<Burst>('/bursts?limit=200', (v) => bursts.set(v.id, v), 200),
      loadMessages({ limit: 200 }, 200).then(() => undefined),
      list<CallRecord>('/calls/log?limit=200', (v) => calls.set(v.id, v), 200),
    ]
    // What a role may not see is refused, and simply stays empty; a link that breaks is tried again by the next welcome.
    const optional: Promise<void>[] = admin ? [
      list<User>('/users', (v) => users.set(v.name, v)), list<Extension>('/extensions', (v) => extensions.set(v.unit, v)),
    ] : []
    const results = await Promise.allSettled([...jobs, meet(), ...optional])
    const hard = results.slice(0, 4).find((r) => r.status === 'rejected')
    if (hard?.status === 'rejected') failed.value = hard.reason
    loaded.value = !hard
    await settle(resume.ready())
  }

  async function loadMembers(group: Num): Promise<void> {
    await list<Member>(`/groups/${group}/members`, (m) => members.set(`${m.group}/${m.unit}`, m))
  }
  /** Reads messages with the receipts that say what of them is read and signed for already, the newest first, up to max. */
  async function loadMessages(q: { to?: Num; before?: string; q?: string; limit: number }, max: number): Promise<Message[]> {
    const got: Message[] = []
    let cursor: string | undefined
    do {
      const page = await get<List<Message> & { receipts?: Receipt[] }>('/messages' + query({ ...q, receipts: 1, cursor }))
      for (const r of page.receipts ?? []) receipts.set(receiptKey(r), r)
      for (const m of page.items ?? []) { got.push(m); messages.set(m.id, m) }
      cursor = page.next
    } while (cursor && got.length < max)
    return got
  }
  async function loadReceipts(message: string): Promise<void> {
    await list<Receipt>(`/messages/${message}/receipts`, (r) => receipts.set(receiptKey(r), r))
  }

  function connect(): void {
    const link = useLink()
    link.on('welcome', (m) => {
      if (!loaded.value) { resume.begin(Number(m.seq ?? 0)); void load() }
    })
    // The server no longer has what lies between (events trimmed), or was restored from a backup (ahead): everything is read anew.
    link.on('error', (m) => {
      const reason = m.error?.reason
      if (reason !== 'events_trimmed' && reason !== 'events_ahead') return
      loaded.value = false
      link.start(after)
    })
    link.on('event', (m) => { void settle(resume.take(m as unknown as Event)) })
  }
  const after = () => (loaded.value ? resume.seq : -1)
  const watch = (f: (ev: Event) => void) => { watchers.push(f) }

  function clear(): void {
    for (const t of [...Object.values(tables), people]) t.clear()
    loaded.value = false
  }

  const groupList = computed(() => [...groups.values()].sort((a, b) => a.number - b.number))
  const unitList = computed(() => [...units.values()].sort((a, b) => a.number - b.number))
  const positionList = computed(() => [...positions.values()].sort((a, b) => a.number - b.number))

  /** The name behind a number, whatever it numbers. */
  function nameOf(n: Num | undefined): string {
    if (!n) return ''
    return groups.get(n)?.name ?? units.get(n)?.name ?? positions.get(n)?.name ?? String(n)
  }
  /** The name of who did something. */
  const personOf = (user: string | undefined): string => (user ? units.get(people.get(user) ?? 0)?.name ?? user : '')
  const patchOf = (group: Num): Patch | undefined => [...patches.values()].find((p) => p.groups.includes(group))

  return {
    groups, units, users, extensions, positions, members, patches, alerts, messages, receipts, bursts, calls, loaded, failed, groupList,
    unitList, positionList, connect, after, watch, clear, load, personOf, loadMembers, loadMessages, loadReceipts, nameOf, patchOf,
  }
})

export const receiptKey = (r: Receipt): string => `${r.message}/${r.recipient}`

function trim<T extends { seq: number }>(map: Map<string, T>, keep: number): void {
  if (map.size <= keep * 1.1) return
  const old = [...map.entries()].sort((a, b) => a[1].seq - b[1].seq).slice(0, map.size - keep)
  for (const [k] of old) map.delete(k)
}

export type { Handover }
