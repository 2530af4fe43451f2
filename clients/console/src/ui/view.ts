import { ref } from 'vue'

export type View = 'dispatch' | 'calls' | 'messages' | 'journal' | 'positions' | 'admin' | 'audit' | 'nodes'
const known: View[] = ['dispatch', 'calls', 'messages', 'journal', 'positions', 'admin', 'audit', 'nodes']
const ofHash = (): View => known.find((v) => v === location.hash.slice(1)) ?? 'dispatch'

/** Which page is shown; kept in the address, so that a wall screen can be given one. */
export const view = ref<View>(ofHash())
window.addEventListener('hashchange', () => { view.value = ofHash() })
export function go(v: View): void { location.hash = v; view.value = v }
