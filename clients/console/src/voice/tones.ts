import type { Tone } from '../floor/machine'

type Note = [hz: number, ms: number]
const silence = 0

// Each tone differs in pitch and in rhythm, so that it is known without looking: grant rises, deny is low and harsh, queued
// knocks twice, "nobody hears" falls in three steps, revoked is a long warble.
const tunes: Record<Tone | 'ring' | 'message', { notes: Note[]; wave: OscillatorType; gain: number }> = {
  grant: { notes: [[880, 55], [1320, 70]], wave: 'sine', gain: 0.22 },
  deny: { notes: [[220, 160], [silence, 60], [196, 260]], wave: 'square', gain: 0.14 },
  queued: { notes: [[660, 60], [silence, 70], [660, 60]], wave: 'sine', gain: 0.22 },
  nobody: { notes: [[740, 130], [555, 130], [370, 260]], wave: 'triangle', gain: 0.28 },
  revoked: { notes: [[520, 90], [390, 90], [520, 90], [390, 90], [520, 90], [390, 180]], wave: 'sawtooth', gain: 0.12 },
  ring: { notes: [[440, 400], [silence, 100], [480, 400]], wave: 'sine', gain: 0.2 },
  message: { notes: [[988, 90], [silence, 40], [1319, 140]], wave: 'sine', gain: 0.16 },
}
export type TuneName = keyof typeof tunes

function play(ctx: AudioContext, out: AudioNode, name: TuneName): void {
  const tune = tunes[name]
  let at = ctx.currentTime + 0.005
  for (const [hz, ms] of tune.notes) {
    const end = at + ms / 1000
    if (hz !== silence) {
      const osc = new OscillatorNode(ctx, { type: tune.wave, frequency: hz })
      const gain = new GainNode(ctx, { gain: 0 })
      gain.gain.setValueAtTime(0, at)
      gain.gain.linearRampToValueAtTime(tune.gain, at + 0.006)
      gain.gain.setValueAtTime(tune.gain, end - 0.008)
      gain.gain.linearRampToValueAtTime(0, end)
      osc.connect(gain).connect(out)
      osc.start(at)
      osc.stop(end)
    }
    at = end
  }
}

/** Tones sounds the console's own signals, and the alarm on two outputs at once. */
export class Tones {
  private context?: AudioContext
  private second?: { node: MediaStreamAudioDestinationNode; el: HTMLAudioElement }
  private alarm?: ReturnType<typeof setInterval>
  private secondSink = ''

  sound(name: TuneName): void {
    const ctx = this.ready()
    if (ctx) play(ctx, ctx.destination, name)
  }

  /** The browser lets sound begin only after a click or a key. */
  async unblock(): Promise<boolean> {
    const ctx = this.ready()
    await ctx?.resume().catch(() => undefined)
    return ctx?.state === 'running'
  }

  get blocked(): boolean { return this.context?.state === 'suspended' }

  async setSecondSink(id: string): Promise<void> {
    this.secondSink = id
    if (this.second) await this.second.el.setSinkId?.(id).catch(() => undefined)
  }

  startAlarm(): void {
    if (this.alarm !== undefined) return
    this.siren()
    this.alarm = setInterval(() => this.siren(), 1600)
  }

  stopAlarm(): void {
    clearInterval(this.alarm)
    this.alarm = undefined
  }

  private siren(): void {
    const ctx = this.ready()
    if (!ctx) return
    const osc = new OscillatorNode(ctx, { type: 'sawtooth', frequency: 620 })
    const gain = new GainNode(ctx, { gain: 0.26 })
    const t = ctx.currentTime
    osc.frequency.setValueAtTime(620, t)
    osc.frequency.linearRampToValueAtTime(1240, t + 0.55)
    osc.frequency.linearRampToValueAtTime(620, t + 1.1)
    osc.connect(gain).connect(ctx.destination)
    if (this.secondSink) gain.connect(this.secondOutput(ctx))
    osc.start(t)
    osc.stop(t + 1.2)
  }

  private secondOutput(ctx: AudioContext): AudioNode {
    if (!this.second) {
      const node = ctx.createMediaStreamDestination()
      const el = new Audio()
      el.srcObject = node.stream
      void el.setSinkId?.(this.secondSink).catch(() => undefined)
      void el.play().catch(() => undefined)
      this.second = { node, el }
    }
    return this.second.node
  }

  private ready(): AudioContext | undefined {
    if (typeof AudioContext === 'undefined') return undefined
    this.context ??= new AudioContext({ latencyHint: 'interactive' })
    if (this.context.state === 'suspended') void this.context.resume().catch(() => undefined)
    return this.context
  }
}
