import type { Stream, Talk } from '../wire/types'

/** The receive slots of a media session: the microphone's own m-line and seven more. */
export const SLOTS = 8

export type Side = 'left' | 'both' | 'right'
/** How a talk is listened to: volume 0…1. */
export interface Hearing { volume: number; side: Side }
export interface Output { volume: number; side: Side }

/** How much is left of the others while we talk, when that is switched on. */
export const DUCKED = 0.25

/**
 * route says how each slot has to sound: a slot carries whichever stream the server has put on it, and sounds as its talk is
 * listened to. An empty slot keeps quiet, so that nothing is heard of a burst whose talk we do not know yet.
 */
export function route(streams: (Stream | null)[], hearing: (talk: Talk) => Hearing | undefined, duck = false): Output[] {
  return Array.from({ length: SLOTS }, (_, i) => {
    const s = streams[i]
    if (!s) return { volume: 0, side: 'both' }
    const h = hearing(s.talk) ?? { volume: 1, side: 'both' }
    // An emergency is never turned down to nothing, and never ducked.
    if (s.emergency) return { volume: Math.max(h.volume, 0.6), side: h.side }
    return { volume: clamp(h.volume) * (duck ? DUCKED : 1), side: h.side }
  })
}

function clamp(v: number): number { return Math.min(1, Math.max(0, v)) }
