import { defineStore } from 'pinia'
import { computed, markRaw, reactive, ref, shallowReactive } from 'vue'
import { useLink } from '../session/link'
import { useSession } from '../session/store'
import { remembered, useSettings } from '../ui/settings'
import { useVoice } from '../voice/store'
import type { Hearing } from '../voice/slots'
import { newID } from '../wire/id'
import { nodes } from '../wire/nodes'
import type { Indication, Num, Precedence, Talk, TalkState } from '../wire/types'
import type { Effect, PttState, TalkAnswer } from './machine'
import { Ptt } from './machine'
import { Held } from './keys'

/** How a talk is used at this desk. It is remembered for the user in this browser. */
export interface Use extends Hearing { listen: boolean; selected: boolean }
/** How long the microphone stays open after the key is up, so that the last syllable gets out. */
export const TAIL_MS = 60
/** After a move: how soon a request that was lost is made again. */
const AGAIN_MS = 150

/** The talks that this console hears and speaks in, and the press-to-talk key. */
export const useFloor = defineStore('floor', () => {
  const link = useLink()
  const voice = useVoice()
  const settings = useSettings()
  const session = useSession()
  const states = shallowReactive(new Map<Talk, TalkState>())
  const uses = reactive<Record<Talk, Use>>({})
  const monitored = reactive(new Set<Talk>())
  const refused = reactive(new Map<Talk, string>())
  const emergencyTalks = reactive(new Set<Talk>())
  const precedence = ref<Precedence>('routine')
  const breakIn = ref(false)
  const ptt = new Ptt()
  const view = reactive({
    state: 'idle' as PttState, cause: '', place: 0, hearing: 0, limit: 0, pressedAt: 0, grantedAt: 0, since: 0, answers: {} as Record<Talk, TalkAnswer>,
  })
  let tail: ReturnType<typeof setTimeout> | undefined
  /** A full-duplex call keeps the microphone open without any key. */
  const openLine = ref(false)
  let pttAir = false
  let single: Talk[] | undefined

  const selected = computed(() => Object.entries(uses).filter(([, u]) => u.selected && u.listen).map(([t]) => t))
  const use = (talk: Talk): Use => uses[talk] ?? { listen: false, selected: false, volume: 1, side: 'both' }
  const storageKey = () => `guantong.talks.${session.name}`

  function change(talk: Talk, part: Partial<Use>): void {
    uses[talk] = { ...use(talk), ...part }
    localStorage.setItem(storageKey(), JSON.stringify(Object.fromEntries(Object.entries(uses).filter(([t]) => !t.startsWith('call:')))))
    voice.apply()
  }

  async function join(talk: Talk, monitor = false): Promise<void> {
    try {
      const reply = await link.ask('join', { talk, ...(monitor ? { monitor: true } : {}) })
      refused.delete(talk)
      const state = (reply.state ?? reply) as TalkState
      if (state.seats !== undefined) take({ ...state, talk })
    } catch (err) {
      if (link.up) refused.set(talk, (err as { reason?: string }).reason ?? 'internal')
    }
  }

  async function listen(talk: Talk, on: boolean): Promise<void> {
    change(talk, on ? { listen: true } : { listen: false, selected: false })
    if (on) { monitored.delete(talk); await join(talk) } else leave(talk)
  }

  async function monitor(talk: Talk, on: boolean): Promise<void> {
    if (on) { monitored.add(talk); await join(talk, true) } else { monitored.delete(talk); if (!use(talk).listen) leave(talk) }
  }

  function leave(talk: Talk): void {
    link.tell('leave', { talk })
    states.delete(talk)
    refused.delete(talk)
  }

  function select(talk: Talk, on: boolean, only = false): void {
    if (only) for (const t of selected.value) if (t !== talk) change(t, { selected: false })
    change(talk, { selected: on })
    if (on && !use(talk).listen) void listen(talk, true)
  }

  function take(s: TalkState): void {
    if (s.alarms?.includes(session.unit)) emergencyTalks.add(s.talk)
    else if (states.get(s.talk)?.alarms?.includes(session.unit)) emergencyTalks.delete(s.talk)
    states.set(s.talk, { ...s, seats: s.seats ?? [], deaf: s.deaf ?? [], queue: s.queue ?? [] })
  }

  // ——— the key ———
  function show(): void {
    const before = view.state
    Object.assign(view, { state: ptt.state, cause: ptt.cause, place: ptt.place, hearing: ptt.hearing, limit: ptt.limit, answers: Object.fromEntries(ptt.answers) })
    if (ptt.state === 'granted' && before !== 'granted') { view.grantedAt = performance.now(); view.since = Date.now() }
    voice.ducking = settings.duck && ptt.state === 'granted'
  }

  function run(effects: Effect[]): void {
    for (const e of effects) {
      if (e.do === 'tone') voice.tones.sound(e.tone)
      else if (e.do === 'press') sendPress(e.request, e.talks, e.resume)
      else if (e.do === 'release') { if (ptt.held) link.tell('release', { talks: e.talks }); else later(e.talks) }
      else if (e.do === 'timer') { const request = e.of ?? ptt.request; setTimeout(() => run(ptt.expire(request)), e.ms) }
      else setAir(e.on)
    }
    show()
  }

  function sendPress(request: string, talks: Talk[], resume?: string): void {
    const emergency = talks.some((t) => emergencyTalks.has(t))
    // Without a precedence the group's own holds, which may be above routine.
    const above = precedence.value === 'routine' ? {} : { precedence: precedence.value }
    link.ask('press', { talks, request, ...above, emergency, ...(resume ? { resume } : { break_in: breakIn.value }) }).catch((err: { reason?: string }) => {
      for (const talk of talks) run(ptt.indicate({ talk, kind: 'denied', request, precedence: 'routine', hearing: 0, cause: err.reason ?? 'internal' }))
    })
  }

  /** Asks again at the new node when the request was lost with the arbiter that it was for. */
  function insist(times: number): void {
    setTimeout(() => {
      if (!link.up || !ptt.held || ptt.state === 'granted' || ptt.state === 'denied') return
      if (ptt.lostRequest) run(ptt.arrive(newID()))
      if (times > 1) insist(times - 1)
    }, AGAIN_MS)
  }

  function setAir(on: boolean): void {
    if (on) { finishTail(); pttAir = true; voice.air(true) }
    else if (ptt.held) { pttAir = false; voice.air(openLine.value) }
  }

  let pending: Talk[] = []
  function later(talks: Talk[]): void {
    pending = talks
    tail = setTimeout(finishTail, TAIL_MS)
  }
  function finishTail(): void {
    if (tail === undefined) return
    clearTimeout(tail)
    tail = undefined
    pttAir = false
    voice.air(openLine.value)
    link.tell('release', { talks: pending })
  }

  function down(): void {
    finishTail()
    view.pressedAt = performance.now()
    const talks = single ?? selected.value
    run(ptt.press(newID(), talks, voice.canTalk))
  }
  function up(): void {
    const had = pttAir
    run(ptt.release())
    if (had && tail === undefined) { pttAir = false; voice.air(openLine.value) }
    breakIn.value = false
  }
  const held = markRaw(new Held(down, up))

  /** Presses for one talk only, whatever is selected (a half-duplex call, an emergency). */
  function pressOnly(talks: Talk[], source: 'pointer' | 'emergency'): void { single = talks; held.press(source) }
  function releaseOnly(source: 'pointer' | 'emergency'): void { held.release(source); single = undefined }

  const forceClear = (talk: Talk) => link.ask('force_clear', { talk })
  /** Ends an emergency call: everybody's with the right to clear a floor, else one's own. */
  async function endEmergency(talk: Talk): Promise<void> {
    await link.ask('end_emergency', { talk })
    emergencyTalks.delete(talk)
  }
  function setOpenLine(on: boolean): void { openLine.value = on; if (!pttAir) voice.air(on) }

  link.on('up', () => {
    refused.clear()
    for (const [talk, u] of Object.entries(uses)) if (u.listen) void join(talk)
    for (const talk of monitored) void join(talk, true)
    run(ptt.arrive(newID())) // after the joins: they are carried out in order
    insist(40)
  })
  link.on('down', () => { states.clear(); run(nodes.others && nodes.token ? ptt.move() : ptt.lost('link_lost')) })
  link.on('talk', (m) => take((m.state ?? m) as unknown as TalkState))
  link.on('floor', (m) => {
    const ind = m as unknown as Indication
    if (ind.kind === 'ended') { states.delete(ind.talk); if (!ind.talk.startsWith('call:')) refused.set(ind.talk, ind.cause ?? 'ended') }
    run(ptt.indicate(ind))
  })

  function start(): void {
    for (const t of Object.keys(uses)) delete uses[t]
    for (const [t, u] of Object.entries(remembered<Record<Talk, Use>>(storageKey(), {}))) uses[t] = u
    voice.start((talk) => uses[talk] ?? (monitored.has(talk) ? { volume: 1, side: 'both' } : undefined), (cause) => run(ptt.lost(cause)))
  }

  const numberTalk = (n: Num): Talk => String(n)
  return {
    states, uses, monitored, refused, emergencyTalks, precedence, breakIn, view, selected, held, openLine, use, change, listen, monitor, join, leave, select,
    pressOnly, releaseOnly, forceClear, endEmergency, setOpenLine, start, numberTalk,
  }
})
