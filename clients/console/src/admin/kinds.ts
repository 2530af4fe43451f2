import type { Right } from '../session/store'
import type { Extension, Group, Position, Unit, User } from '../wire/types'
import { precedences, roles } from '../wire/types'

export interface Field {
  name: string
  type: 'text' | 'number' | 'check' | 'select' | 'roles' | 'password' | 'unit' | 'phones' | 'position'
  options?: string[]
  label?: string
  required?: boolean
  /** Part of the key: fixed once the object exists. */
  key?: boolean
  /** Sent beside the object, never shown again. */
  beside?: boolean
  max?: number
}
type Loose<T> = { [K in keyof T]?: unknown }
/** One object of any of the kinds, as a table and a form see it. */
export type Row = Loose<Omit<User & Extension & Position, 'name' | 'unit' | 'username'>> & Loose<Omit<Unit, 'name' | 'kind'>> & Loose<Omit<Group, 'name' | 'kind'>> & {
  name?: string; unit?: number; username?: string; kind?: string; revision?: number
}
export interface Kind { id: 'users' | 'units' | 'groups' | 'extensions' | 'positions'; right: Right; key: string; fields: Field[]; columns: string[]; fresh: () => Row }

/** What an administrator makes, each by its fields; one table and one form serve them all. */
export const kinds: Kind[] = [
  {
    id: 'users', right: 'admin_users', key: 'name', columns: ['name', 'unit', 'roles', 'totp', 'disabled'],
    fields: [
      { name: 'name', type: 'text', key: true, required: true, label: 'user_name' }, { name: 'unit', type: 'unit', required: true }, { name: 'roles', type: 'roles', options: roles },
      { name: 'disabled', type: 'check' }, { name: 'must_change', type: 'check' }, { name: 'password', type: 'password', beside: true },
    ],
    fresh: () => ({ name: '', roles: ['unit'], must_change: true, revision: 0 }),
  },
  {
    id: 'units', right: 'admin_objects', key: 'number', columns: ['number', 'name', 'kind', 'org', 'revoked'],
    fields: [
      { name: 'number', type: 'number', key: true, required: true }, { name: 'name', type: 'text', required: true }, { name: 'kind', type: 'select', options: ['person', 'phone', 'terminal', 'gateway'] },
      { name: 'org', type: 'text' }, { name: 'revoked', type: 'check' },
    ],
    fresh: () => ({ name: '', kind: 'person', revision: 0 }),
  },
  {
    id: 'groups', right: 'admin_objects', key: 'number', columns: ['number', 'name', 'kind', 'priority', 'precedence', 'talk_limit', 'open'],
    fields: [
      { name: 'number', type: 'number', key: true, required: true }, { name: 'name', type: 'text', required: true }, { name: 'kind', type: 'select', options: ['talk', 'broadcast'] },
      { name: 'priority', type: 'number', max: 7 }, { name: 'precedence', type: 'select', options: precedences }, { name: 'talk_limit', type: 'number', max: 3600 }, { name: 'open', type: 'check' },
    ],
    fresh: () => ({ name: '', kind: 'talk', priority: 3, precedence: 'routine', talk_limit: 0, open: false, revision: 0 }),
  },
  {
    id: 'extensions', right: 'admin_objects', key: 'unit', columns: ['unit', 'username', 'class', 'vad'],
    fields: [
      { name: 'unit', type: 'unit', key: true, required: true }, { name: 'username', type: 'text' }, { name: 'class', type: 'text' }, { name: 'vad', type: 'check' },
      { name: 'password', type: 'password', beside: true },
    ],
    fresh: () => ({ username: '', class: '', vad: false, revision: 0 }),
  },
  {
    id: 'positions', right: 'admin_objects', key: 'number', columns: ['number', 'name', 'phones', 'duty_phone', 'overflow', 'occupant'],
    fields: [
      { name: 'number', type: 'number', key: true, required: true }, { name: 'name', type: 'text', required: true }, { name: 'phones', type: 'phones', max: 16 }, { name: 'duty_phone', type: 'unit' }, { name: 'overflow', type: 'position' },
    ],
    fresh: () => ({ name: '', phones: [], revision: 0 }),
  },
]
