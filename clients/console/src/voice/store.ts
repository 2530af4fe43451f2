import { defineStore } from 'pinia'
import { computed, markRaw, ref, watch } from 'vue'
import { useLink } from '../session/link'
import { useSettings } from '../ui/settings'
import type { Stream, Talk } from '../wire/types'
import { MediaSession } from './session'
import { Player } from './player'
import type { Hearing } from './slots'
import { SLOTS, route } from './slots'
import { Tones } from './tones'

/** How long a media session may take to come up. */
const CONNECT_MS = 6000

export type MicState = 'unknown' | 'ready' | 'denied' | 'missing' | 'lost' | 'insecure' | 'busy'

/** The voice path of this page: one media session, its slots, the microphone, and what may be wrong with them. */
export const useVoice = defineStore('voice', () => {
  const link = useLink()
  const settings = useSettings()
  const connected = ref(false)
  const connectedAt = ref(0)
  const mic = ref<MicState>('unknown')
  const autoplayBlocked = ref(false)
  const unplugged = ref('')
  const outputs = ref<MediaDeviceInfo[]>([])
  const inputs = ref<MediaDeviceInfo[]>([])
  const slots = ref<(Stream | null)[]>(Array<Stream | null>(SLOTS).fill(null))
  const level = ref(0)
  const ducking = ref(false)
  const tones = markRaw(new Tones())
  let hearing: (talk: Talk) => Hearing | undefined = () => undefined
  let player: Player | undefined
  let session: MediaSession | undefined
  let track: MediaStreamTrack | undefined
  let onAir = false
  let lost: (cause: string) => void = () => undefined

  const secure = window.isSecureContext && !!navigator.mediaDevices
  const canTalk = computed<true | string>(() => {
    if (!link.up) return 'link_lost'
    if (mic.value !== 'ready') return 'mic_' + mic.value
    return connected.value ? true : 'media_down'
  })

  async function openMic(): Promise<void> {
    if (!secure) { mic.value = 'insecure'; return }
    track?.stop()
    track = undefined
    const audio: MediaTrackConstraints = {
      channelCount: 1, echoCancellation: settings.echo, noiseSuppression: settings.noise, autoGainControl: settings.gain,
      ...(settings.mic ? { deviceId: { ideal: settings.mic } } : {}),
    }
    try {
      const fresh = (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks()[0]!
      fresh.onended = () => { mic.value = 'lost'; void session?.air(null); lost('mic_lost') }
      track = fresh
      mic.value = 'ready'
      unplugged.value = ''
      if (onAir) void session?.air(fresh)
    } catch (err) {
      const name = (err as DOMException).name
      mic.value = name === 'NotFoundError' || name === 'OverconstrainedError' ? 'missing' : name === 'NotReadableError' ? 'busy' : 'denied'
    }
    await devices()
  }

  async function devices(): Promise<void> {
    if (!secure) return
    const list = await navigator.mediaDevices.enumerateDevices()
    const gone = (before: MediaDeviceInfo[], kind: string) =>
      before.find((d) => d.deviceId && d.label && !list.some((n) => n.kind === kind && n.deviceId === d.deviceId))
    const missing = gone(outputs.value, 'audiooutput') ?? gone(inputs.value, 'audioinput')
    if (missing) unplugged.value = missing.label
    else if (unplugged.value && list.some((d) => d.label === unplugged.value)) unplugged.value = ''
    outputs.value = list.filter((d) => d.kind === 'audiooutput')
    inputs.value = list.filter((d) => d.kind === 'audioinput')
    if ((mic.value === 'lost' || mic.value === 'missing') && inputs.value.length) await openMic()
  }

  /** Puts the microphone on the air or takes it off. */
  function air(on: boolean): void {
    onAir = on
    void session?.air(on && track ? track : null)
  }

  /** Media that is not there by then is offered anew, as long as it is still this one that is missing. */
  function retryLater(mine: MediaSession, ms: number): void {
    setTimeout(() => { if (session === mine && link.up && !connected.value) void negotiate() }, ms)
  }

  async function negotiate(): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') return
    session?.close()
    connected.value = false
    clearSlots()
    const mine = new MediaSession((slot, t) => { player ??= new Player((b) => { autoplayBlocked.value = b }); player.attach(slot, t) })
    session = mine
    try {
      const reply = await link.ask('offer', { sdp: await mine.offer() })
      if (session !== mine) return
      await mine.answer(String(reply.sdp))
      if (onAir && track) void mine.air(track)
      retryLater(mine, CONNECT_MS)
    } catch {
      if (session === mine) retryLater(mine, 2000)
    }
    apply()
  }

  function clearSlots(): void { slots.value = Array<Stream | null>(SLOTS).fill(null) }
  function apply(): void { player?.apply(route(slots.value, hearing, ducking.value)) }

  function start(ear: (talk: Talk) => Hearing | undefined, onLost: (cause: string) => void): void {
    hearing = ear
    lost = onLost
    void openMic()
    if (secure) navigator.mediaDevices.ondevicechange = () => void devices()
    void applySinks()
  }

  link.on('up', () => void negotiate())
  link.on('down', () => { connected.value = false; clearSlots(); apply() })
  link.on('media', (m) => {
    connected.value = m.connected === true
    if (connected.value) connectedAt.value = performance.now()
    else { lost('media_down'); if (session) retryLater(session, 300) }
  })
  link.on('slot', (m) => {
    const slot = Number(m.slot)
    if (!(slot >= 0 && slot < SLOTS)) return
    slots.value[slot] = (m.stream as Stream | null | undefined) ?? null
    apply()
  })

  async function applySinks(): Promise<void> {
    player ??= new Player((b) => { autoplayBlocked.value = b })
    await player.setSink(settings.speaker)
    await tones.setSecondSink(settings.alarm)
  }
  watch(() => [settings.speaker, settings.alarm], () => void applySinks())
  watch(() => [settings.mic, settings.echo, settings.noise, settings.gain], () => { if (mic.value === 'ready') void openMic() })
  watch(ducking, apply)

  async function unblock(): Promise<void> {
    await tones.unblock()
    await player?.unblock()
    autoplayBlocked.value = false
  }

  function stop(): void {
    air(false)
    session?.close()
    session = undefined
    track?.stop()
    track = undefined
    mic.value = 'unknown'
    connected.value = false
    player?.stop()
    tones.stopAlarm()
  }

  return {
    connected, connectedAt, mic, autoplayBlocked, unplugged, outputs, inputs, slots, level, ducking, secure, canTalk, tones, openMic, air, apply, start,
    stop, unblock,
  }
})
