// The objects of the client protocol (clients/wire, fusion/state), with their JSON names. Times are milliseconds UTC.

export type Num = number
export type ID = string
export type Talk = string
export type Precedence = 'flash-override' | 'flash' | 'immediate' | 'priority' | 'routine'
export const precedences: Precedence[] = ['flash-override', 'flash', 'immediate', 'priority', 'routine']
export type Role = 'dispatcher' | 'commander' | 'operator' | 'auditor' | 'unit' | 'system_admin' | 'security_admin' | 'audit_admin'
export const roles: Role[] = ['dispatcher', 'commander', 'operator', 'auditor', 'unit', 'system_admin', 'security_admin', 'audit_admin']

export interface Group { number: Num; name: string; kind: 'talk' | 'broadcast' | 'temporary'; priority: number; precedence: Precedence; talk_limit?: number; open: boolean; ends?: number; revision: number }
export interface Member { group: Num; unit: Num; talk: boolean; priority: number }
export interface Unit { number: Num; name: string; kind: 'person' | 'phone' | 'terminal' | 'gateway'; org?: string; revoked?: boolean; revision: number }
export interface User { name: string; unit: Num; roles: Role[]; disabled?: boolean; must_change?: boolean; totp?: boolean; revision: number }
export interface Extension { unit: Num; username: string; class: string; vad: boolean; revision: number }
export interface Position { number: Num; name: string; phones?: Num[]; duty_phone?: Num; overflow?: Num; occupant?: string; since?: number; revision: number }
export interface Handover { id: ID; position: Num; from: string; to: string; at: number; note?: string; alerts?: ID[]; patches?: ID[]; unsigned?: ID[] }
export interface Patch { id: ID; name: string; groups: Num[]; by: string; at: number }
export interface Attachment { hash: string; name: string; type: string; size: number }
export interface Message {
  id: ID; from: Num; by?: string; from_position?: Num; to: Num[]; text: string; attachments?: Attachment[]; precedence: Precedence
  lifetime?: number; sign?: boolean; exercise?: string; hlc: number; at: number; seq: number; expired?: boolean
}
export type ReceiptState = 'accepted' | 'delivered' | 'read' | 'signed'
export const receiptStates: ReceiptState[] = ['accepted', 'delivered', 'read', 'signed']
export interface Receipt { message: ID; recipient: Num; state: ReceiptState; steps: { state: ReceiptState; at: number; by?: string }[] }
export interface Alert {
  id: ID; unit: Num; by?: string; group?: Num; text?: string; lat?: number; lon?: number; state: 'raised' | 'acknowledged' | 'cleared'; raised: number
  acked_at?: number; acked_by?: string; acked_position?: Num; cleared_at?: number; cleared_by?: string; exercise?: string; stage: number
}
export interface Burst {
  id: ID; groups?: Num[]; call?: ID; talker: Num; name: string; start: number; duration_ms: number; codec: string; file: string; size: number
  peaks?: string; precedence: Precedence; emergency?: boolean; end_cause: string; exercise?: string; seq: number
}
export interface CallRecord {
  id: ID; from?: Num; from_name: string; outside?: boolean; to?: Num; to_digits?: string; position?: Num; by?: string; start: number; answered?: number
  end: number; result: 'answered' | 'missed' | 'busy' | 'refused' | 'failed'; returned?: boolean
}
export interface Audit { seq: number; at: number; by: string; action: string; target?: string; result: string; from?: string; detail?: string; prev: string; hash: string }
export interface Event { seq: number; at: number; type: string; key: string; gone?: boolean; data?: unknown }

export interface Me { user: User; unit: Unit; rights: string[]; position?: Position }
export interface LoginReply { token?: string; expires?: number; needs_totp?: boolean; me?: Me; nodes?: NodeInfo[] }
export interface NodeInfo { node?: string; url: string; media?: string[] }
export interface SiteInfo { number: number; name: string; exercise?: string; version: string; node: string; nodes: NodeInfo[]; trunks?: string[]; incarnation?: number }
export type NodeCondition = 'serving' | 'behind' | 'island' | 'faulty' | 'unreachable' | 'joining' | 'draining' | 'removed'
export interface NodeState {
  node: string; url?: string; media?: string[]; address?: string; role?: 'joining' | 'learner' | 'voter' | 'removed'; wish?: string; why?: string; state: NodeCondition
  here?: boolean; leader?: boolean; reachable: boolean; via?: string; since?: number; heard?: number; lag?: number; held?: number; fault?: string; status?: Status
}
export interface Upload { id: ID; offset: number; size: number; done: boolean; file?: Attachment }
export interface SeatInfo { unit?: Num; name: string; via: string; talk: boolean }
export interface TalkState {
  talk: Talk; patch?: ID; seats: SeatInfo[]; talker?: Num; name?: string; burst?: ID; since?: number; emergency?: boolean; alarms?: Num[]; queue?: SeatInfo[]; hearing: number; deaf?: string[]
}
export interface CallInfo {
  id: ID; state: 'ringing' | 'queued' | 'dialling' | 'answered' | 'held' | 'in_group' | 'ended'; from?: Num; from_name?: string; digits?: string; outside?: boolean
  to?: Num; position?: Num; group?: Num; by?: string; by_unit?: Num; talk?: Talk; floor?: boolean; since: number; cause?: string
}
export interface Presence { unit: Num; online: boolean; via?: string; node?: string; since: number }
export interface Status {
  node: string; version: string; uptime_s: number; time: number; leader: boolean; quorum: boolean; degraded: string[]; disk_free: number; disk_total: number
  consoles: number; phones: number; calls: number; talking: number; rss: number; clock_error_ms: number; files_lacking?: number; power?: Power
  nodes?: NodeInfo[]
}
export interface Power { ups: string; known: boolean; on_battery?: boolean; low?: boolean; replace?: boolean; charge?: number; runtime_s?: number; since?: number; text?: string; fault?: string }
export type IndicationKind = 'granted' | 'taken' | 'denied' | 'idle' | 'revoked' | 'queued' | 'unqueued' | 'ended'
export interface Indication {
  talk: Talk; kind: IndicationKind; request?: ID; burst?: ID; talker?: Num; name?: string; emergency?: boolean; precedence: Precedence; cause?: string
  place?: number; limit?: number; hearing: number
}
export interface Stream { burst: ID; talk: Talk; talker: Num; name: string; emergency?: boolean; precedence: Precedence }
export interface ImportRow { line: number; number?: Num; name?: string; action: string; error?: string; detail?: string; user?: string; password?: string; username?: string; secret?: string }
export interface ImportReply { rows: ImportRow[]; errors: number; applied: boolean }
export interface List<T> { items: T[] | null; next?: string }
