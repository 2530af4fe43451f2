import { defineStore } from 'pinia'
import { reactive } from 'vue'

/** Which dialogs are open. */
export const useUi = defineStore('ui', () => reactive({ settings: false, status: false, learning: false }))
