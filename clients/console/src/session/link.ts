import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import type { Incoming } from '../wire/socket'
import { Socket } from '../wire/socket'
import { useSession } from './store'
import { setServerTime } from '../ui/time'
import { nodes } from '../wire/nodes'
import type { Me, SiteInfo, Status } from '../wire/types'

/** A move from one node to another. */
export interface Move { from: string; to: string; at: number }

type Handler = (msg: Incoming) => void

/** The link to the server: up or down since when, and who wants to hear of what. */
export const useLink = defineStore('link', () => {
  const up = ref(false)
  const since = ref(Date.now())
  const ever = ref(false)
  const bye = ref('')
  /** The name of the node where we are, or were last. */
  const node = ref('')
  const moved = ref<Move>()
  const socket = shallowRef<Socket>()
  const handlers = new Map<string, Handler[]>()
  let after: () => number = () => -1

  /** Calls f for every message of this type; "up" and "down" are the link's own. */
  function on(t: string, f: Handler): void { handlers.set(t, [...(handlers.get(t) ?? []), f]) }
  const emit = (msg: Incoming) => { for (const f of handlers.get(msg.t) ?? []) f(msg) }

  function start(lastSeq: () => number): void {
    after = lastSeq
    socket.value?.stop()
    bye.value = ''
    socket.value = new Socket({
      hello: () => ({ after: after(), client: 'console', ...(nodes.incarnation && after() >= 0 ? { incarnation: nodes.incarnation } : {}) }),
      message: receive,
      up: () => { up.value = ever.value = true; since.value = Date.now(); emit({ t: 'up' }) },
      down: (reason) => {
        if (up.value) since.value = Date.now()
        else void useSession().probe()
        up.value = false
        emit({ t: 'down', reason })
      },
    })
    socket.value.start()
  }

  function receive(msg: Incoming): void {
    const session = useSession()
    if (msg.t === 'welcome') {
      const site = msg.site as SiteInfo
      session.site = site
      arrive(site)
      if (msg.me) session.me = msg.me as Me
      if (typeof msg.time === 'number') setServerTime(msg.time)
      bye.value = ''
    }
    if (msg.t === 'status') nodes.learn((msg as unknown as Status).nodes)
    if (msg.t === 'bye') {
      bye.value = String(msg.reason ?? '')
      if (bye.value === 'logged_out' || bye.value === 'revoked') { stop(); session.out(bye.value); return }
    }
    emit(msg)
  }

  function arrive(site: SiteInfo): void {
    nodes.learn(site.nodes)
    nodes.incarnation = site.incarnation ?? 0
    if (node.value && node.value !== site.node) moved.value = { from: node.value, to: site.node, at: Date.now() }
    node.value = site.node
  }

  function stop(): void { socket.value?.stop(); socket.value = undefined; up.value = ever.value = false }
  const tell = (t: string, fields?: Record<string, unknown>): boolean => socket.value?.tell(t, fields) ?? false
  const ask = (t: string, fields?: Record<string, unknown>): Promise<Incoming> =>
    socket.value ? socket.value.ask(t, fields) : Promise.reject(new Error('no link'))

  window.addEventListener('online', () => socket.value?.hurry())
  return { node, moved, up, since, ever, bye, on, start, stop, tell, ask }
})
