import type { Output, Side } from './slots'
import { SLOTS } from './slots'

interface Panned { source: MediaStreamAudioSourceNode; gain: GainNode; pan: StereoPannerNode }

/**
 * Player plays the slots. Each has an <audio> element of its own, because the WebAudio tap creeps to 100 ms of delay; only a
 * slot that is set to one ear goes through WebAudio, and its element stays muted to keep the stream running.
 */
export class Player {
  private elements: HTMLAudioElement[] = []
  private streams: MediaStream[] = []
  private panned: (Panned | undefined)[] = []
  private context?: AudioContext
  private sink = ''

  constructor(private onBlocked: (blocked: boolean) => void) {
    for (let i = 0; i < SLOTS; i++) {
      const el = new Audio()
      el.autoplay = true
      el.dataset.slot = String(i)
      this.elements.push(el)
    }
  }

  attach(slot: number, track: MediaStreamTrack): void {
    const stream = new MediaStream([track])
    this.unpan(slot)
    this.streams[slot] = stream
    this.elements[slot]!.srcObject = stream
    void this.start(slot)
  }

  /** Tries to play everything again; called in a click, which is what the browser waits for. */
  async unblock(): Promise<void> {
    await this.context?.resume()
    await Promise.all(this.elements.map((_, i) => this.start(i)))
  }

  apply(outputs: Output[]): void {
    outputs.forEach((o, slot) => {
      if (!this.streams[slot]) return
      if (o.side === 'both') this.straight(slot, o.volume)
      else this.pan(slot, o.volume, o.side)
    })
  }

  async setSink(id: string): Promise<void> {
    this.sink = id
    await Promise.all(this.elements.map((el) => el.setSinkId?.(id).catch(() => undefined)))
    const ctx = this.context as (AudioContext & { setSinkId?: (id: string) => Promise<void> }) | undefined
    await ctx?.setSinkId?.(id).catch(() => undefined)
  }

  stop(): void {
    this.elements.forEach((el, i) => { this.unpan(i); el.srcObject = null })
    this.streams = []
  }

  private async start(slot: number): Promise<void> {
    const el = this.elements[slot]!
    if (!el.srcObject) return
    try {
      await el.play()
      this.onBlocked(false)
    } catch (err) {
      if ((err as DOMException).name === 'NotAllowedError') this.onBlocked(true)
    }
  }

  private straight(slot: number, volume: number): void {
    this.unpan(slot)
    const el = this.elements[slot]!
    el.muted = volume === 0
    el.volume = volume
  }

  private pan(slot: number, volume: number, side: Side): void {
    const p = (this.panned[slot] ??= this.makePan(slot))
    this.elements[slot]!.muted = true
    p.gain.gain.value = volume
    p.pan.pan.value = side === 'left' ? -1 : 1
  }

  private makePan(slot: number): Panned {
    const ctx = (this.context ??= this.makeContext())
    const source = ctx.createMediaStreamSource(this.streams[slot]!)
    const gain = ctx.createGain()
    const pan = ctx.createStereoPanner()
    source.connect(gain).connect(pan).connect(ctx.destination)
    return { source, gain, pan }
  }

  private makeContext(): AudioContext {
    const ctx = new AudioContext({ latencyHint: 'interactive' })
    const settable = ctx as AudioContext & { setSinkId?: (id: string) => Promise<void> }
    if (this.sink) void settable.setSinkId?.(this.sink).catch(() => undefined)
    if (ctx.state === 'suspended') void ctx.resume()
    return ctx
  }

  private unpan(slot: number): void {
    const p = this.panned[slot]
    if (!p) return
    p.source.disconnect()
    p.pan.disconnect()
    this.panned[slot] = undefined
  }
}
