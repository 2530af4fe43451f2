const OPUS = 'minptime=10;ptime=20;useinbandfec=1;usedtx=0'

/** Sets the Opus parameters that the protocol asks for in an offer. */
export function withOpusParameters(sdp: string): string {
  const types = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2/gim)].map((m) => m[1]!)
  return [...new Set(types)].reduce((text, pt) => text.replace(new RegExp(`^a=fmtp:${pt} .*$`, 'gm'), `a=fmtp:${pt} ${OPUS}`), sdp)
}

/** RED (RFC 2198) first, then Opus: the server picks by its answer; everything else is left out. */
export function voiceCodecs<T extends { mimeType: string }>(codecs: T[]): T[] {
  const of = (name: string) => codecs.filter((c) => c.mimeType.toLowerCase() === name)
  return [...of('audio/red'), ...of('audio/opus')]
}
