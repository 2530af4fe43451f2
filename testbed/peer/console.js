// A passive tap, run in every page before the page's own scripts. It keeps what the page's microphone captures and what each
// receive slot of its peer connection decodes, and when the person pressed and the page showed it. It changes nothing that the page does.
//
// Sound is taken by MediaStreamTrackProcessor: frames of 10 ms as the audio renderer pulls them out of the decoder, each with the
// time at which it was captured or pulled. Not by WebAudio, whose tap has a buffer of its own that creeps.
(() => {
  if (window.__drill) return;
  const taps = [], events = [], peers = [];
  const now = () => performance.timeOrigin + performance.now();

  async function run(tap, track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 500 }).readable.getReader();
    let plane = new Float32Array(480);
    for (;;) {
      const { done, value: data } = await reader.read();
      if (done) return;
      const size = data.numberOfFrames;
      if (plane.length !== size) plane = new Float32Array(size);
      data.copyTo(plane, { planeIndex: 0, format: 'f32-planar' });
      tap.rate = data.sampleRate;
      tap.size = size;
      const at = performance.timeOrigin + data.timestamp / 1000; // AudioData counts from the page's time origin
      data.close();
      tap.count++;
      tap.last = at;
      let loud = 0;
      for (let i = 0; i < size; i++) { const a = Math.abs(plane[i]); if (a > loud) loud = a; }
      if (loud < 1 / 32768) continue; // silence is known by the numbers that are missing
      const pcm = new Int16Array(size);
      for (let i = 0; i < size; i++) pcm[i] = Math.max(-32768, Math.min(32767, Math.round(plane[i] * 32768)));
      tap.frames.push({ n: tap.count, at, pcm });
      if (tap.frames.length > 12000) tap.frames.splice(0, 2000);
    }
  }

  function add(kind, slot, track) {
    const tap = { kind, slot, frames: [], count: 0, last: 0, rate: 0, size: 0 };
    taps.push(tap);
    run(tap, track).catch(e => events.push({ what: 'tap-failed', value: String(e), at: now() }));
  }

  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      peers.push(this);
      this.addEventListener('track', e => {
        if (e.track.kind === 'audio') add('slot', this.getTransceivers().indexOf(e.transceiver), e.track);
      });
    }
  };
  const devices = navigator.mediaDevices;
  if (devices) {
    const native = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async constraints => {
      const stream = await native(constraints);
      for (const t of stream.getAudioTracks()) add('mic', 0, t.clone()); // a clone is not silenced with the page's own
      return stream;
    };
  }

  const id = node => node && node.closest && node.closest('[data-testid]') ? node.closest('[data-testid]').dataset.testid : '';
  for (const type of ['pointerdown', 'pointerup', 'click', 'keydown', 'keyup']) {
    window.addEventListener(type, e => events.push({ what: type, id: id(e.target), value: e.code || '', at: performance.timeOrigin + e.timeStamp }), true);
  }
  new MutationObserver(list => {
    for (const m of list) {
      if (m.target.dataset && m.target.dataset.testid) {
        events.push({ what: m.attributeName, id: m.target.dataset.testid, value: m.target.getAttribute(m.attributeName), at: now() });
      }
    }
  }).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state', 'data-connected'] });

  const base64 = bytes => {
    let s = '';
    for (let i = 0; i < bytes.length; i += 32768) s += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768));
    return btoa(s);
  };

  window.__drill = {
    now, events,
    // take gives the frames of a tap between two times (ms of the page's wall clock).
    take(kind, slot, from, to) {
      return taps.filter(t => t.kind === kind && (kind === 'mic' || t.slot === slot)).map(t => {
        const list = t.frames.filter(f => f.at >= from && f.at <= to);
        const pcm = new Int16Array(list.length * t.size);
        list.forEach((f, i) => pcm.set(f.pcm.length === t.size ? f.pcm : f.pcm.subarray(0, t.size), i * t.size));
        return { rate: t.rate, size: t.size, count: t.count, last: t.last, n: list.map(f => f.n), at: list.map(f => f.at), pcm: base64(new Uint8Array(pcm.buffer)) };
      });
    },
    // describe says in one line what the taps and the peer connections have seen, for a drill that heard nothing.
    describe: async () => {
      const out = taps.map(t => `${t.kind} ${t.slot}: ${t.count} frames, ${t.frames.length} not silent`);
      for (const [i, p] of peers.entries()) {
        for (const s of (await p.getStats()).values()) {
          if (s.type === 'inbound-rtp' && s.packetsReceived) out.push(`peer ${i} mid ${s.mid}: ${s.packetsReceived} packets, ${s.totalSamplesReceived} samples, ${s.concealedSamples} concealed, energy ${s.totalAudioEnergy}`);
        }
        out.push(`peer ${i}: ${p.connectionState}, ${p.getTransceivers().length} transceivers`);
      }
      return out.join('; ');
    },
    stats: async () => Promise.all(peers.map(async p => [...(await p.getStats()).values()])),
  };
})();
