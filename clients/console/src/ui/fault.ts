import { i18n } from '../i18n'
import { WireError } from '../wire/http'
import { toast } from './toast'

/** What went wrong, for a person: the reason if we know it, else whose fault it is. */
export function explain(err: unknown): string {
  const { t, te } = i18n.global
  if (!(err instanceof WireError)) return t('fault.broken') + ' ' + (err instanceof Error ? err.message : String(err))
  if (te(`reason.${err.reason}`)) return t(`reason.${err.reason}`)
  const fault = te(`fault.${err.fault}`) ? t(`fault.${err.fault}`) : t('fault.broken')
  return `${fault} (${err.reason}${err.detail ? ': ' + err.detail : ''})`
}

/** Runs what a click asked for, and says so when it fails. Gives whether it went well. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try { await work(); return true } catch (err) { toast(explain(err), 'error'); return false }
}
