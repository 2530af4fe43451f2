import { defineStore } from 'pinia'
import { ref, watch } from 'vue'
import { useSession } from '../session/store'

/** What a person or a telephone is given once, on paper. It lives in this page only, until it is printed and thrown away. */
export interface Credential { number: number; name: string; user?: string; password?: string; username?: string; secret?: string }

/** The sheets that wait to be printed. They outlive a look at another page, for the server tells these passwords once; never a log-out. */
export const useSheets = defineStore('sheets', () => {
  const list = ref<Credential[]>([])
  const session = useSession()
  watch(() => session.phase, (p) => { if (p !== 'ready') list.value = [] })
  window.addEventListener('beforeunload', (e) => { if (list.value.length) e.preventDefault() })
  return { list }
})
