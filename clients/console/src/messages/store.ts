import { defineStore } from 'pinia'
import { computed, reactive, ref, watch } from 'vue'
import { useRecord } from '../record/store'
import { useSession } from '../session/store'
import { useVoice } from '../voice/store'
import { post, WireError } from '../wire/http'
import { newID } from '../wire/id'
import type { Attachment, Message, Num, Precedence, Receipt, ReceiptState } from '../wire/types'
import { receiptStates } from '../wire/types'

export interface Draft { to: Num[]; text: string; attachments: Attachment[]; precedence: Precedence; lifetime: number; sign: boolean }
/** A message on its way: not accepted yet, and said to be so. */
export interface Outgoing { id: string; draft: Draft; at: number; error?: unknown; trying: boolean; held?: boolean }

const RETRY_MS = 2000
const urgent: Precedence[] = ['flash-override', 'flash', 'immediate']

/** Threads by partner, what is unread, and what is still on its way to the server. */
export const useMessages = defineStore('messages', () => {
  const record = useRecord()
  const session = useSession()
  const voice = useVoice()
  const outgoing = reactive(new Map<string, Outgoing>())
  const current = ref<Num>()
  const found = ref<Message[]>()

  const mineNumbers = computed(() => [session.unit, session.position?.number].filter((n): n is number => !!n))
  const isMine = (m: Message): boolean => m.from === session.unit || (!!m.by && m.by === session.name)
  /** The threads that a message belongs to: its groups, and for direct ones the other party. */
  function threadsOf(m: Message): Num[] {
    const out = new Set<Num>()
    for (const to of m.to ?? []) {
      if (mineNumbers.value.includes(to)) out.add(isMine(m) ? to : m.from)
      else out.add(to)
    }
    return [...out]
  }

  const threads = computed(() => {
    const map = new Map<Num, Message[]>()
    for (const m of record.messages.values()) for (const t of threadsOf(m)) {
      const l = map.get(t)
      if (l) l.push(m); else map.set(t, [m])
    }
    for (const l of map.values()) l.sort((a, b) => a.hlc - b.hlc || a.seq - b.seq)
    return map
  })

  /** Who of us has to answer for a message: our own unit when it is named, else our desk, else our unit. */
  function recipientOf(m: Message): Num | undefined {
    const desk = session.position?.number
    return m.to.includes(session.unit) && !(desk && m.to.includes(desk)) ? session.unit : desk || session.unit || undefined
  }
  /** The furthest that we have come with a message, as a desk or as a person. */
  function receiptOf(m: Message, n: Num | undefined): Receipt | undefined {
    const own = (k: Num | undefined) => (k ? record.receipts.get(`${m.id}/${k}`) : undefined)
    const [a, b] = [own(n), m.to.some((t) => record.groups.has(t)) ? own(session.unit) : undefined]
    return a && b && receiptStates.indexOf(b.state) > receiptStates.indexOf(a.state) ? b : a ?? b
  }
  const reached = (r: Receipt | undefined, s: ReceiptState) => !!r && receiptStates.indexOf(r.state) >= receiptStates.indexOf(s)
  /** Addressed to us, our desk, or a group: what other desks get is theirs to read. */
  const concerns = (m: Message) => m.to.some((t) => mineNumbers.value.includes(t) || record.groups.has(t))
  const unread = (m: Message) => !isMine(m) && concerns(m) && !seen.has(m.id) && !reached(receiptOf(m, recipientOf(m)), 'read')
  const mustSign = (m: Message) => !!m.sign && !isMine(m) && !reached(receiptOf(m, recipientOf(m)), 'signed')
  const seen = reactive(new Set<string>())
  const unreadCount = (n: Num) => (threads.value.get(n) ?? []).filter(unread).length
  const unreadTotal = computed(() => [...record.messages.values()].filter(unread).length)
  const unsigned = computed(() => [...record.messages.values()].filter((m) => !m.expired && mustSign(m) && m.to.some((t) => mineNumbers.value.includes(t))))

  async function receipt(m: Message, state: ReceiptState): Promise<void> {
    const recipient = recipientOf(m)
    if (!recipient || isMine(m) || reached(receiptOf(m, recipient), state)) return
    if (state === 'read') seen.add(m.id)
    await post(`/messages/${m.id}/receipts`, { recipient, state })
  }

  /** Marks what a person has before its eyes as read. */
  async function read(n: Num): Promise<void> {
    for (const m of (threads.value.get(n) ?? []).filter(unread)) {
      try { await receipt(m, 'read') } catch { seen.delete(m.id); return }
    }
  }

  /** Sends, and tries again under the same ID until the server has accepted or refused it. */
  function send(draft: Draft): void {
    const out: Outgoing = { id: newID(), draft, at: Date.now(), trying: false }
    outgoing.set(out.id, out)
    void push(outgoing.get(out.id)!)
  }
  async function push(out: Outgoing): Promise<void> {
    out.trying = true
    out.error = undefined
    try {
      const m = await post<Message & { held?: boolean }>('/messages', out.draft, out.id)
      if (m.held) { // on the disk of a node without a quorum: it comes by itself once there is one
        out.trying = false
        out.held = true
        return
      }
      record.messages.set(m.id, m)
      outgoing.delete(out.id)
    } catch (err) {
      out.trying = false
      out.error = err
      if (err instanceof WireError && err.transient) setTimeout(() => { if (outgoing.has(out.id) && !out.trying) void push(out) }, RETRY_MS)
    }
  }

  const loadThread = async (n: Num, before?: string): Promise<number> => (await record.loadMessages({ to: n, before, limit: 50 }, 50)).length
  async function search(q: string): Promise<void> { found.value = q.trim() ? await record.loadMessages({ q, limit: 100 }, 100) : undefined }

  /** Of which messages the sender is told that they are here: its direct ones, those to be signed for and the urgent. Of the rest of a group's it is told who read them. */
  const tells = (m: Message) => concerns(m) && (m.to.some((t) => mineNumbers.value.includes(t)) || !!m.sign || urgent.includes(m.precedence))
  /** Says that what came has come; also of what came while nobody was logged in here, or sat at this desk. */
  async function delivered(list: Iterable<Message>): Promise<void> {
    for (const m of [...list]) {
      if (isMine(m) || m.expired || !tells(m)) continue
      try { await receipt(m, 'delivered') } catch (err) {
        if (!(err instanceof WireError) || err.transient) return // the link is gone: the next load tells
      }
    }
  }
  watch(() => [record.loaded, session.position?.number], async ([loaded], [before]) => {
    if (!loaded) return
    try { if (before) await record.loadMessages({ limit: 200 }, 200) } catch { return } // a desk was taken: its receipts are not known yet
    await delivered(record.messages.values())
  })

  record.watch((ev) => {
    if (ev.type !== 'message' || ev.gone) return
    outgoing.delete(ev.key) // it was held, and is accepted now
    const m = ev.data as Message
    if (isMine(m)) return
    voice.tones.sound('message')
    void delivered([m])
  })

  return { outgoing, current, found, threads, threadsOf, isMine, unread, unreadCount, unreadTotal, unsigned, mustSign, receipt, receiptOf, recipientOf, read, send, push, loadThread, search }
})
