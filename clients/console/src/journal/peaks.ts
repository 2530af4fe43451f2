/** The waveform of a burst: base64 of at most 64 values 0…255. */
export function peaksOf(text: string | undefined): number[] {
  if (!text) return []
  try { return Array.from(atob(text), (c) => c.charCodeAt(0)).slice(0, 64) } catch { return [] }
}

/** One closed outline around the middle, in a box of 100 × 24. */
export function outline(peaks: number[]): string {
  if (!peaks.length) return 'M0 12H100'
  const x = (i: number) => ((i + 0.5) * 100) / peaks.length
  const h = (p: number) => Math.max(0.6, (p / 255) * 11.5)
  const top = peaks.map((p, i) => `${x(i).toFixed(1)} ${(12 - h(p)).toFixed(1)}`)
  const bottom = peaks.map((p, i) => `${x(i).toFixed(1)} ${(12 + h(p)).toFixed(1)}`).reverse()
  return `M${[...top, ...bottom].join('L')}Z`
}
