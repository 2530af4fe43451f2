import { defineStore } from 'pinia'
import { ref } from 'vue'
import { useAlerts } from '../alerts/store'
import { useCalls } from '../calls/store'
import { listenKeys } from '../floor/keys'
import { choosePedal, listenPedals } from '../floor/pedal'
import { useFloor } from '../floor/store'
import { useMessages } from '../messages/store'
import { useRecord } from '../record/store'
import { useStatus } from '../status/store'
import { useSettings } from '../ui/settings'
import { useUi } from '../ui/ui'
import { useVoice } from '../voice/store'
import { useLink } from './link'

/** Everything that runs while somebody is logged in: it is started and stopped as one. */
export const useDesk = defineStore('desk', () => {
  const link = useLink()
  const record = useRecord()
  const voice = useVoice()
  const floor = useFloor()
  const settings = useSettings()
  const ui = useUi()
  const pedals = ref<string[]>([])
  let stops: (() => void)[] = []
  let running = false
  // These listen to the link from now on.
  useStatus(); useCalls(); useMessages(); useAlerts()
  record.connect()



  function start(): void {
    if (running) return
    running = true
    floor.start()
    link.start(record.after)
    stops.push(listenKeys(floor.held, () => settings.pttKey, () => ui.learning))
    void watchPedals()
  }
  async function watchPedals(): Promise<void> {
    const stop = await listenPedals(floor.held, (names) => { pedals.value = names })
    if (running) stops.push(stop); else stop()
  }
  async function addPedal(): Promise<void> {
    if (await choosePedal()) await watchPedals()
  }
  function stop(): void {
    if (!running) return
    running = false
    floor.held.drop()
    stops.forEach((f) => f())
    stops = []
    link.stop()
    voice.stop()
    record.clear()
  }
  return { pedals, start, stop, addPedal }
})
