import { defineStore } from 'pinia'
import { reactive, watch } from 'vue'

/** What a person sets at this desk; kept in this browser only. */
export interface Settings {
  locale: 'zh-CN' | 'en'
  pttKey: string
  duck: boolean
  echo: boolean
  noise: boolean
  gain: boolean
  mic: string
  speaker: string
  alarm: string
  wall: boolean
}

const KEY = 'guantong.settings'
const defaults: Settings = {
  locale: 'zh-CN', pttKey: 'Space', duck: false, echo: true, noise: true, gain: true, mic: '', speaker: '', alarm: '', wall: false,
}

/** Reads one JSON value of this browser's storage; anything unreadable counts as absent. */
export function remembered<T extends object>(key: string, otherwise: T): T {
  try { return { ...otherwise, ...(JSON.parse(localStorage.getItem(key) ?? '{}') as T) } } catch { return otherwise }
}

export const useSettings = defineStore('settings', () => {
  const s = reactive(remembered(KEY, defaults))
  watch(s, () => localStorage.setItem(KEY, JSON.stringify(s)))
  return s
})
