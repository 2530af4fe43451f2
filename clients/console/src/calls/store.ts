import { defineStore } from 'pinia'
import { computed, reactive, ref, watch } from 'vue'
import { useFloor } from '../floor/store'
import { useLink } from '../session/link'
import { useSession } from '../session/store'
import { useRecord } from '../record/store'
import { useVoice } from '../voice/store'
import { all, post } from '../wire/http'
import type { CallInfo, ID, Num } from '../wire/types'

export interface Placing { to?: Num; digits?: string; trunk?: string; group?: Num; floor?: boolean }

/** The live calls: telephone calls and private calls, those of this desk first. */
export const useCalls = defineStore('calls', () => {
  const link = useLink()
  const session = useSession()
  const floor = useFloor()
  const record = useRecord()
  const voice = useVoice()
  const live = reactive(new Map<ID, CallInfo>())
  const muted = ref(false)
  const joined = new Set<ID>()
  let ringer: ReturnType<typeof setInterval> | undefined

  const list = computed(() => [...live.values()].sort((a, b) => a.since - b.since))
  /** A console placed it to a unit, at whose console it rings while the placer sees it dialling. */
  const isPrivate = (c: CallInfo): boolean => !!c.to && !c.group && !!c.from && c.by_unit === c.from
  /** A party of the call is this person: it placed or took it, or it is a private call with it. */
  const mine = (c: CallInfo): boolean => c.by === session.name || (!!session.unit && (c.from === session.unit || (c.to === session.unit && isPrivate(c))))
  const waiting = computed(() => list.value.filter((c) => c.state === 'queued' || (c.state === 'ringing' && !isMyOutgoing(c))
    || (c.state === 'dialling' && c.to === session.unit && isPrivate(c))))
  /** Those that ring here: in the queue of our desk, or for us. */
  const ringing = computed(() => waiting.value.filter((c) => (c.position && c.position === session.position?.number) || c.to === session.unit))
  const active = computed(() => list.value.filter((c) => mine(c) && !waiting.value.includes(c) && ['answered', 'held', 'dialling', 'in_group'].includes(c.state)))
  const missed = computed(() => [...record.calls.values()].filter((c) => c.result === 'missed' && !c.returned && (c.outside || c.position)))

  function isMyOutgoing(c: CallInfo): boolean { return c.from === session.unit && !!session.unit }

  function take(c: CallInfo): void {
    if (c.state === 'ended') live.delete(c.id)
    else live.set(c.id, c)
    follow(c)
  }

  /** Our own answered calls are joined, so that they are heard; the microphone is open in a full-duplex one. */
  function follow(c: CallInfo): void {
    const talking = mine(c) && c.state === 'answered' && !!c.talk
    if (talking && !joined.has(c.id)) {
      joined.add(c.id)
      floor.uses[c.talk!] = { listen: true, selected: false, volume: 1, side: 'both' }
      void floor.join(c.talk!)
    }
    if ((c.state === 'ended' || c.state === 'in_group') && joined.delete(c.id)) {
      const talk = c.talk ?? `call:${c.id}`
      floor.leave(talk)
      delete floor.uses[talk]
    }
    openLine()
  }
  function openLine(): void {
    floor.setOpenLine(!muted.value && list.value.some((c) => mine(c) && c.state === 'answered' && !c.floor && !!c.talk))
  }

  const act = (id: ID, verb: 'answer' | 'hang' | 'hold' | 'resume' | 'pickup' | 'transfer' | 'admit' | 'dismiss', body: object = {}) =>
    post<CallInfo | undefined>(`/calls/${id}/${verb}`, body)
  const place = (p: Placing) => post<CallInfo>('/calls', p)

  async function load(): Promise<void> {
    try {
      const calls = await all<CallInfo>('/calls')
      live.clear()
      for (const c of calls) take(c)
    } catch { /* told again by every change */ }
  }

  link.on('call', (m) => take(m as unknown as CallInfo))
  link.on('up', () => void load())
  link.on('down', () => { live.clear(); joined.clear(); floor.setOpenLine(false) })
  watch(muted, openLine)
  watch(() => ringing.value.length > 0, (on) => {
    clearInterval(ringer)
    if (!on) return
    voice.tones.sound('ring')
    ringer = setInterval(() => voice.tones.sound('ring'), 3000)
  })

  return { live, list, waiting, ringing, active, missed, muted, mine, act, place, load }
})
