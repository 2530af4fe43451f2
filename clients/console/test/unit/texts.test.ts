// @vitest-environment node
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../../src/i18n/en'
import zh from '../../src/i18n/zh'

type Tree = { [k: string]: string | Tree }
const flat = (t: Tree, prefix = ''): [string, string][] => Object.entries(t).flatMap(([k, v]) => (typeof v === 'string' ? [[prefix + k, v] as [string, string]] : flat(v, `${prefix}${k}.`)))
const sources = (dir: string): string[] => readdirSync(dir, { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? sources(join(dir, f.name)) : /\.(vue|ts)$/.test(f.name) ? [join(dir, f.name)] : []))

describe('the texts', () => {
  const keys = new Set(flat(zh).map(([k]) => k))
  it('has every text that the source asks for by a fixed key', () => {
    const missing: string[] = []
    for (const f of sources('src').filter((n) => !n.includes('i18n'))) {
      for (const m of readFileSync(f, 'utf8').matchAll(/\bt\('([a-z_.\d]+)'/gi)) if (!keys.has(m[1]!)) missing.push(`${f}: ${m[1]}`)
    }
    expect(missing).toEqual([])
  })
  it('has a word for every action that the server writes into the audit', () => {
    const go = (path: string) => readFileSync(join('../..', path), 'utf8')
    const api = readdirSync('../api').filter((f) => f.endsWith('.go') && !f.endsWith('_test.go')).map((f) => go(`clients/api/${f}`)).join('\n')
    const actions = [
      ...[...go('fusion/state/audit.go').matchAll(/return "([a-z_]+\.[a-z_]+)"|trimAction = "([a-z.]+)"/g)].map((m) => m[1] ?? m[2]!),
      ...[...api.matchAll(/\.did\([\w.]+, "([a-z_.]+)",|Action: "([a-z_.]+)"/g)].map((m) => m[1] ?? m[2]!),
      ...[...go('clients/api/call.go').matchAll(/^\t\t\{"(\w+)", (?:true|false), /gm)].map((m) => `call.${m[1]}`),
      ...[...api.matchAll(/\.used\([\w.]+, identity\.(\w+),/g)].map((m) => new RegExp(`\\b${m[1]}\\s+Right = "(\\w+)"`).exec(go('fusion/identity/right.go'))![1]!),
    ]
    expect(actions.length).toBeGreaterThan(35)
    expect(actions.filter((a) => !keys.has(`action.${a.replaceAll('.', '_')}`))).toEqual([])
  })
  it('has the same keys and the same arguments in both languages', () => {
    const args = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort().join()
    const other = new Map(flat(en as Tree))
    for (const [k, v] of flat(zh)) {
      expect(other.has(k), k).toBe(true)
      expect(args(other.get(k)!), k).toBe(args(v))
    }
    expect(other.size).toBe(keys.size)
  })
  it('has no sign that the formatter would take for its own', () => {
    for (const [k, v] of [...flat(zh), ...flat(en as Tree)]) expect(/[|@]/.test(v), k).toBe(false)
  })
  it('keeps keys free of dots, which would never be found', () => { for (const [k] of flat(zh)) expect(k).toMatch(/^[\w-]+(\.[\w-]+)*$/) })
})
