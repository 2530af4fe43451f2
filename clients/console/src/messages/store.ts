import { defineStore } from 'pinia'
import { computed, reactive, ref } from 'vue'
import { useRecord } from '../record/store'
import { useSession } from '../session/store'
import { useVoice } from '../voice/store'
import { all, post, query, WireError } from '../wire/http'
import { newID } from '../wire/id'
import type { Attachment, Message, Num, Precedence, Receipt, ReceiptState } from '../wire/types'
import { receiptStates } from '../wire/types'

export interface Draft { to: Num[]; text: string; attachments: Attachment[]; precedence: Precedence; lifetime: number; sign: boolean }
/** A message on its way: not accepted yet, and said to be so. */
export interface Outgoing { id: string; draft: Draft; at: number; error?: unknown; trying: boolean }

const RETRY_MS = 2000

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

  /** Who of us has to answer for a message: our desk first, else our own unit. */
  function recipientOf(m: Message): Num | undefined {
    const desk = session.position?.number
    if (desk && m.to.includes(desk)) return desk
    return session.unit || undefined
  }
  const receiptOf = (m: Message, n: Num | undefined): Receipt | undefined => (n ? record.receipts.get(`${m.id}/${n}`) : undefined)
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
      const m = await post<Message>('/messages', out.draft, out.id)
      record.messages.set(m.id, m)
      outgoing.delete(out.id)
    } catch (err) {
      out.trying = false
      out.error = err
      if (err instanceof WireError && err.transient) setTimeout(() => { if (outgoing.has(out.id) && !out.trying) void push(out) }, RETRY_MS)
    }
  }

  async function loadThread(n: Num, before?: string): Promise<number> {
    const got = await all<Message>('/messages' + query({ to: n, before, limit: 50 }), 50)
    for (const m of got) record.messages.set(m.id, m)
    return got.length
  }
  async function search(q: string): Promise<void> { found.value = q.trim() ? await all<Message>('/messages' + query({ q, limit: 100 }), 100) : undefined }

  record.watch((ev) => {
    if (ev.type !== 'message' || ev.gone) return
    const m = ev.data as Message
    if (isMine(m)) return
    voice.tones.sound('message')
    if (m.to.some((t) => mineNumbers.value.includes(t))) void receipt(m, 'delivered').catch(() => undefined)
  })

  return { outgoing, current, found, threads, threadsOf, isMine, unread, unreadCount, unreadTotal, unsigned, mustSign, receipt, receiptOf, recipientOf, read, send, push, loadThread, search }
})
