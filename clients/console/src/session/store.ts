import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { WireError, get, post, whenLoggedOut } from '../wire/http'
import { nodes } from '../wire/nodes'
import type { LoginReply, Me, SiteInfo } from '../wire/types'

export type Phase = 'loading' | 'login' | 'password' | 'ready'
export type Right =
  | 'talk_anywhere' | 'break_in' | 'force_clear' | 'monitor' | 'patch' | 'admit_call' | 'dial_out' | 'replay_all' | 'export'
  | 'admin_objects' | 'admin_users' | 'read_audit' | 'see_status' | 'exercise'

/** Who is logged in, and what the server says that it may do. The server enforces it; the page only hides what would be refused. */
export const useSession = defineStore('session', () => {
  const phase = ref<Phase>('loading')
  const me = ref<Me>()
  const site = ref<SiteInfo>()
  const reason = ref('')

  const name = computed(() => me.value?.user.name ?? '')
  const unit = computed(() => me.value?.unit.number ?? 0)
  const position = computed(() => me.value?.position)
  const has = (right: Right): boolean => me.value?.rights?.includes(right) ?? false

  function enter(m: Me): void {
    me.value = m
    phase.value = m.user.must_change ? 'password' : 'ready'
  }

  /** The browser has our session in a cookie for the page's own node; the token is for the others. */
  async function fetchToken(): Promise<void> {
    try { nodes.token = (await post<{ token: string }>('/me/token')).token } catch { /* then we can only be here */ }
  }

  async function resume(): Promise<void> {
    try {
      const m = await get<Me>('/me')
      await fetchToken()
      enter(m)
    } catch (err) {
      phase.value = 'login'
      if (err instanceof WireError && err.fault === 'cut_off') reason.value = 'unreachable'
    }
  }

  /** Logs in; false when the second factor is still missing. */
  async function login(user: string, password: string, totp: string): Promise<boolean> {
    const reply = await post<LoginReply>('/login', { user, password, ...(totp ? { totp } : {}) })
    if (reply.needs_totp) return false
    nodes.token = reply.token ?? ''
    nodes.learn(reply.nodes)
    reason.value = ''
    enter(reply.me ?? (await get<Me>('/me')))
    return true
  }

  async function changePassword(old: string, fresh: string): Promise<void> {
    await post('/me/password', { old, new: fresh })
    try { enter(await get<Me>('/me')) } catch { out('password_changed') }
  }

  /** Reads anew who we are: somebody changed our rights. */
  async function refresh(): Promise<void> { try { enter(await get<Me>('/me')) } catch { /* the next welcome says it too */ } }

  /** Asks whether the session still stands; when it does not, the answer itself ends it here. Nothing else matters. */
  async function probe(): Promise<void> { try { await get<Me>('/me') } catch { /* said by whoever needs the link */ } }

  async function logout(): Promise<void> {
    try { await post('/logout') } finally { out('') }
  }

  function out(why: string): void {
    nodes.token = ''
    me.value = undefined
    reason.value = why
    phase.value = 'login'
  }
  whenLoggedOut(() => { if (phase.value === 'ready' || phase.value === 'password') out('session_ended') })

  return { phase, me, site, reason, name, unit, position, has, resume, refresh, probe, login, changePassword, logout, out }
})
