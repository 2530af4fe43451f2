import { describe, expect, it } from 'vitest'
import { level, verdict, why } from '../../src/nodes/condition'
import type { NodeState } from '../../src/wire/types'

const node = (name: string, part: Partial<NodeState> = {}): NodeState => ({ node: name, role: 'voter', state: 'serving', reachable: true, ...part })
const lost: Partial<NodeState> = { state: 'unreachable', reachable: false }

describe('what the nodes mean together', () => {
  it.each([
    ['none', [node('a', { role: undefined })]],
    ['all_well', [node('a'), node('b'), node('c')]],
    ['all_well', [node('a'), node('b'), node('c'), node('d', { state: 'removed', role: 'removed', reachable: false })]],
    ['two', [node('a'), node('b', { role: 'learner' })]],
    ['one_left', [node('a'), node('b'), node('c', lost)]],
    ['some_ill', [node('a'), node('b'), node('c'), node('d'), node('e', lost)]],
    ['one_left', [node('a'), node('b'), node('c'), node('d', lost), node('e', lost)]],
    ['some_ill', [node('a'), node('b'), node('c', { state: 'behind' })]],
    ['no_majority', [node('a', { state: 'island' }), node('b', lost), node('c', lost)]],
    ['all_well', [node('a'), node('b'), node('c'), node('d', { state: 'joining', role: 'joining' })]],
  ] as [string, NodeState[]][])('%s', (want, list) => expect(verdict(list).id).toBe(want))
  it('knows why a node does not vote', () => {
    expect(why(node('a', { role: 'learner', why: 'an even number of voters is refused, as it …' }))).toBe('even')
    expect(why(node('a', { role: 'learner', why: 'something new' }))).toBe('')
    expect(level(node('a', lost))).toBe('bad')
  })
})
