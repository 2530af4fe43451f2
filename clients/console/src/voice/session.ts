import { voiceCodecs, withOpusParameters } from './offer'
import { SLOTS } from './slots'

/** How long an offer may wait for the page's own addresses; the server learns later ones by itself. */
const GATHER_MS = 200

/**
 * MediaSession is one PeerConnection: the microphone and eight receive slots, negotiated once. Who talks on which slot is
 * told beside it; nothing is ever negotiated again.
 */
export class MediaSession {
  readonly pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' })
  private sender: RTCRtpSender
  private wanted: MediaStreamTrack | null = null
  private busy: Promise<void> = Promise.resolve()

  constructor(onTrack: (slot: number, track: MediaStreamTrack) => void) {
    const codecs = voiceCodecs(RTCRtpReceiver.getCapabilities('audio')?.codecs ?? [])
    for (let slot = 0; slot < SLOTS; slot++) {
      const t = this.pc.addTransceiver('audio', { direction: slot === 0 ? 'sendrecv' : 'recvonly' })
      if (codecs.length) t.setCodecPreferences(codecs)
      // As little delay as the jitter buffer can do with: this is a conversation.
      if ('jitterBufferTarget' in t.receiver) (t.receiver as { jitterBufferTarget: number | null }).jitterBufferTarget = 0
      onTrack(slot, t.receiver.track)
    }
    this.sender = this.pc.getTransceivers()[0]!.sender
  }

  async offer(): Promise<string> {
    const offer = await this.pc.createOffer()
    await this.pc.setLocalDescription({ type: 'offer', sdp: withOpusParameters(offer.sdp ?? '') })
    await this.gathered()
    return this.pc.localDescription?.sdp ?? ''
  }

  async answer(sdp: string): Promise<void> {
    if (this.pc.signalingState === 'have-local-offer') await this.pc.setRemoteDescription({ type: 'answer', sdp })
  }

  /** Puts a track on the air, or nothing. Calls are carried out in order; only the last one counts. */
  air(track: MediaStreamTrack | null): Promise<void> {
    this.wanted = track
    this.busy = this.busy.then(async () => {
      if (this.sender.track !== this.wanted && this.pc.signalingState !== 'closed') await this.sender.replaceTrack(this.wanted)
    }).catch(() => undefined)
    return this.busy
  }

  close(): void { this.pc.close() }

  private gathered(): Promise<void> {
    if (this.pc.iceGatheringState === 'complete') return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GATHER_MS)
      this.pc.addEventListener('icegatheringstatechange', () => {
        if (this.pc.iceGatheringState === 'complete') { clearTimeout(timer); resolve() }
      })
    })
  }
}
