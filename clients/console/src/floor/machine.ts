import type { ID, Indication, Talk } from '../wire/types'

export type PttState = 'idle' | 'requesting' | 'granted' | 'queued' | 'denied'
export type Tone = 'grant' | 'deny' | 'queued' | 'nobody' | 'revoked'
export type TalkAnswer = 'requesting' | 'granted' | 'queued' | 'denied'

/** What the machine asks the page to do, in order. */
export type Effect =
  | { do: 'press'; request: ID; talks: Talk[]; resume?: ID }
  | { do: 'release'; talks: Talk[] }
  | { do: 'mic'; on: boolean }
  | { do: 'tone'; tone: Tone }
  | { do: 'timer'; ms: number; of?: string }

/** How long a talker whose node died may be without the floor before it is told. */
export const MOVE_MS = 5000

/** How long a request may stay unanswered before the talker is told that nobody answers. */
export const ANSWER_MS = 3000

/**
 * Ptt is the talker's side of the floor (TS 24.380 participant, as far as a page needs it), for one press on one or several
 * talks. It does nothing by itself: every input gives the effects to carry out. The microphone is open from the key to the
 * answer, so that the first syllable is there, and closed while the request waits in a queue or was refused.
 */
export class Ptt {
  state: PttState = 'idle'
  held = false
  request: ID = ''
  answers = new Map<Talk, TalkAnswer>()
  cause = ''
  place = 0
  hearing = 0
  limit = 0
  private mic = false
  /** The press under which we spoke when the node died; it goes on at the next one. */
  private spoke: ID = ''
  /** The floor's last word in each talk since we came to another node. */
  private words?: Map<Talk, string>

  press(request: ID, talks: Talk[], ready: true | string): Effect[] {
    if (this.held) return []
    this.held = true
    this.reset()
    const blocked = ready !== true ? ready : talks.length === 0 ? 'nothing_selected' : ''
    if (blocked) return this.refuse(blocked)
    this.words = new Map()
    this.request = request
    this.answers = new Map(talks.map((t) => [t, 'requesting']))
    this.state = 'requesting'
    return [...this.setMic(true), { do: 'press', request, talks }, { do: 'timer', ms: ANSWER_MS }]
  }

  release(): Effect[] {
    if (!this.held) return []
    this.held = false
    const talks = [...this.answers].filter(([, a]) => a !== 'denied').map(([t]) => t)
    this.reset()
    return [...this.setMic(false), ...(talks.length ? [{ do: 'release', talks } as Effect] : [])]
  }

  /** The node is gone and there is another: what was asked for or held is asked for there, and the key stays down. */
  move(): Effect[] {
    if (!this.held || this.state === 'denied' || this.state === 'idle') return []
    if (this.state === 'granted') this.spoke = this.request
    return [{ do: 'timer', ms: MOVE_MS, of: `move ${this.request}` }]
  }

  /** We are at another node, in the same talks. */
  arrive(request: ID): Effect[] {
    if (!this.held || this.state === 'denied' || this.state === 'idle') return []
    const talks = [...this.answers].filter(([, a]) => a !== 'denied').map(([t]) => t)
    this.request = request
    this.answers = new Map(talks.map((t) => [t, 'requesting']))
    this.state = 'requesting'
    return [...this.setMic(true), { do: 'press', request, talks, ...(this.spoke ? { resume: this.spoke } : {}) }, { do: 'timer', ms: ANSWER_MS }]
  }

  /** After a move: nobody talks, and yet nothing came of what was asked. The request was lost with whoever arbitrated. */
  get lostRequest(): boolean {
    return this.held && this.words !== undefined && (this.state === 'requesting' || this.state === 'queued') && [...this.answers.keys()].every((t) => this.words!.get(t) === 'idle')
  }

  indicate(ind: Indication): Effect[] {
    this.words?.set(ind.talk, ind.kind)
    if (!this.held || !this.answers.has(ind.talk) || (ind.request && ind.request !== this.request)) return []
    const was = this.answers.get(ind.talk)
    switch (ind.kind) {
      case 'granted': return this.granted(ind)
      case 'queued':
        if (was === 'granted') return []
        this.answers.set(ind.talk, 'queued')
        this.place = ind.place ?? 0
        return this.settle(was === 'queued' ? undefined : 'queued')
      case 'denied':
      case 'unqueued':
      case 'ended':
        return this.lose(ind, was === 'granted' ? 'revoked' : 'deny')
      case 'revoked': return this.lose(ind, 'revoked')
      default: return []
    }
  }

  /** The timer of `request` ran out. */
  expire(request: string): Effect[] {
    if (!this.held) return []
    // Granted by a node that is gone, and no other has been found in time.
    if (request === `move ${this.request}` && this.state === 'granted' && this.spoke === this.request) return this.refuse('link_lost', 'revoked')
    if (request !== this.request || this.state !== 'requesting') return []
    const talks = [...this.answers.keys()]
    return [{ do: 'release', talks }, ...this.refuse('no_answer')]
  }

  /** The server is gone, or the microphone: whatever was held is lost. */
  lost(cause: string): Effect[] {
    if (!this.held || this.state === 'denied') return []
    return this.refuse(cause, this.state === 'granted' ? 'revoked' : 'deny')
  }

  private granted(ind: Indication): Effect[] {
    if (this.answers.get(ind.talk) === 'granted') return []
    const first = this.state !== 'granted'
    const again = this.spoke !== ''
    this.spoke = ''
    this.answers.set(ind.talk, 'granted')
    this.hearing = first ? ind.hearing : this.hearing + ind.hearing
    this.limit = ind.limit && this.limit ? Math.min(ind.limit, this.limit) : (ind.limit ?? this.limit)
    return this.settle(first && !again ? (ind.hearing > 0 ? 'grant' : 'nobody') : undefined)
  }

  private lose(ind: Indication, tone: Tone): Effect[] {
    this.answers.set(ind.talk, 'denied')
    this.cause = ind.cause ?? ind.kind
    return this.settle(this.spoke ? 'revoked' : tone)
  }

  /** Several talks answer one press: the best answer is the state. */
  private settle(tone?: Tone): Effect[] {
    const all = [...this.answers.values()]
    this.state = (['granted', 'requesting', 'queued', 'denied'] as const).find((s) => all.includes(s)) ?? 'denied'
    const open = this.state === 'granted' || this.state === 'requesting'
    return [...this.setMic(open), ...(tone ? [{ do: 'tone', tone } as Effect] : [])]
  }

  private refuse(cause: string, tone: Tone = 'deny'): Effect[] {
    this.state = 'denied'
    this.cause = cause
    this.answers = new Map()
    return [...this.setMic(false), { do: 'tone', tone }]
  }

  private setMic(on: boolean): Effect[] {
    if (this.mic === on) return []
    this.mic = on
    return [{ do: 'mic', on }]
  }

  private reset(): void {
    this.state = 'idle'
    this.cause = ''
    this.place = this.hearing = this.limit = 0
    this.answers = new Map()
    this.request = this.spoke = ''
    this.words = undefined
  }
}
