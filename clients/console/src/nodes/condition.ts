import type { NodeState } from '../wire/types'

export type Verdict = 'none' | 'two' | 'no_majority' | 'one_left' | 'some_ill' | 'all_well'

const ill = (n: NodeState) => !['serving', 'draining', 'joining', 'removed'].includes(n.state)
const live = (list: NodeState[]) => list.filter((n) => n.state !== 'removed')

/** What the nodes of a site mean together for whoever sits before the page: the first that holds. */
export function verdict(list: NodeState[]): { id: Verdict; n: number; all: number; level: 'good' | 'warn' | 'bad' } {
  const members = live(list)
  const voters = members.filter((n) => n.role === 'voter' || n.role === undefined)
  // A voter that is there but on its own cannot confirm anything either.
  const there = voters.filter((n) => n.reachable && n.state !== 'island' && n.state !== 'faulty')
  const most = Math.floor(voters.length / 2) + 1
  const say = (id: Verdict, level: 'good' | 'warn' | 'bad') => ({ id, level, n: there.length, all: voters.length })
  if (members.length <= 1) return say('none', 'warn')
  if (there.length < most) return say('no_majority', 'bad')
  if (members.length === 2) return say('two', 'warn')
  if (voters.length > 1 && there.length === most && there.length < voters.length) return say('one_left', 'bad')
  if (members.some(ill)) return say('some_ill', 'warn')
  return say('all_well', 'good')
}

export function level(n: NodeState): 'good' | 'warn' | 'bad' | 'dim' {
  switch (n.state) {
    case 'serving': return 'good'
    case 'behind': case 'joining': case 'draining': case 'island': return 'warn'
    case 'removed': return 'dim'
    default: return 'bad'
  }
}

/** The server gives the reason in English prose: this finds which one it is. */
export function why(n: NodeState): 'even' | 'drained' | 'spare' | 'catching' | '' {
  const w = n.why ?? ''
  if (n.role !== 'learner' || !w) return ''
  if (w.includes('even number')) return 'even'
  if (w.includes('drained')) return 'drained'
  if (w.includes('spare')) return 'spare'
  return w.includes('catching up') ? 'catching' : ''
}

export const diskPart = (n: NodeState): number | undefined => (n.status?.disk_total ? Math.round((100 * n.status.disk_free) / n.status.disk_total) : undefined)
