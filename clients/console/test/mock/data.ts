import type { NodeState, Alert, Burst, CallInfo, CallRecord, Group, Member, Message, Patch, Position, Receipt, Status, Unit, User } from '../../src/wire/types.ts'

// A small site with something going on in it, for tests and screenshots only.
export const START = Date.now() - 3 * 3600e3
let count = 0
export const id = (n = ++count): string => n.toString(16).padStart(32, '0')

const unit = (number: number, name: string, kind: Unit['kind'] = 'person', org = '市应急管理局'): Unit => ({ number, name, kind, org, revision: 1 })
export const units: Unit[] = [
  unit(10101, '李建国'), unit(10102, '王芳'), unit(10103, '张伟', 'person', '消防救援支队'), unit(10104, '刘洋', 'person', '消防救援支队'), unit(10105, '陈静', 'person', '120 急救中心'),
  unit(10106, '赵磊', 'terminal', '抢险一队'), unit(10107, '孙强', 'terminal', '抢险二队'), unit(10301, '值班室话机', 'phone'), unit(10302, '指挥大厅话机', 'phone'), unit(10401, '370MHz 网关', 'gateway', '公安'),
]
const group = (number: number, name: string, more: Partial<Group> = {}): Group => ({ number, name, kind: 'talk', priority: 3, precedence: 'routine', open: true, revision: 1, ...more })
export const groups: Group[] = [
  group(10001, '全市指挥', { priority: 6, precedence: 'priority' }), group(10002, '消防救援'), group(10003, '医疗救护'), group(10004, '抢险一队'), group(10005, '抢险二队'),
  group(10006, '防汛广播', { kind: 'broadcast' }), group(10007, '通信保障'), group(10008, '370MHz 联动'),
]
export const members: Member[] = groups.flatMap((g) => units.slice(0, 6).map((u) => ({ group: g.number, unit: u.number, talk: true, priority: 3 })))
export const positions: Position[] = [
  { number: 10901, name: '值班席', duty_phone: 10301, occupant: 'wangfang', since: START, revision: 3 }, { number: 10902, name: '指挥席', duty_phone: 10302, overflow: 10901, revision: 1 },
]
export const users: User[] = [
  { name: 'admin', unit: 10101, roles: ['dispatcher', 'system_admin', 'security_admin', 'audit_admin'], totp: false, revision: 2 }, { name: 'fresh', unit: 10102, roles: ['unit'], must_change: true, revision: 1 },
  { name: 'wangfang', unit: 10102, roles: ['dispatcher'], totp: true, revision: 4 }, { name: 'zhangwei', unit: 10103, roles: ['unit'], disabled: true, revision: 2 },
]
export const rights = ['talk_anywhere', 'break_in', 'force_clear', 'monitor', 'patch', 'admit_call', 'dial_out', 'replay_all', 'export', 'admin_objects', 'admin_users', 'read_audit', 'see_status', 'exercise']
export const patches: Patch[] = [{ id: id(), name: '东岸联合处置', groups: [10004, 10005], by: 'wangfang', at: START + 3600e3 }]

const peaks = (n: number): string => btoa(String.fromCharCode(...Array.from({ length: 48 }, (_, i) => Math.round(Math.abs(Math.sin(i * 0.7 + n) * Math.sin(i / 9 + n)) * 220 + 20))))
export const bursts: Burst[] = Array.from({ length: 40 }, (_, i) => {
  const u = units[i % 7]!
  return {
    id: id(), groups: i % 5 === 0 ? [10004, 10005] : [10001 + (i % 4)], talker: u.number, name: u.name, start: START + i * 240e3, duration_ms: 1800 + ((i * 1733) % 14000), codec: 'opus', file: 'sha256:' + 'ab'.repeat(32),
    size: 20000, peaks: peaks(i), precedence: i % 11 === 3 ? 'flash' : 'routine', emergency: i === 33, end_cause: i % 13 === 5 ? 'limit' : 'released', seq: i + 1,
  }
})
const message = (n: number, from: number, to: number[], text: string, more: Partial<Message> = {}): Message => ({ id: id(), from, to, text, precedence: 'routine', hlc: START + n * 60e3, at: START + n * 60e3, seq: 100 + n, ...more })
export const messages: Message[] = [
  message(1, 10103, [10001], '东风路积水深约 60 厘米，已封闭下穿通道，请公交绕行。'), message(9, 10105, [10001], '救护车 3 辆已到达集结点。', { precedence: 'priority' }),
  message(14, 10101, [10001], '各队每 30 分钟报告一次位置和人员情况。', { by: 'admin', sign: true, precedence: 'immediate' }), message(30, 10106, [10001], '北堤 12 号桩发现管涌，直径约 10 厘米，正在围井，请求增派 20 人和编织袋 2000 条。', { precedence: 'flash' }),
  message(60, 10102, [10902, 10101], '省厅要求 16:00 前上报转移人数，请签收。', { sign: true, precedence: 'immediate', by: 'wangfang' }), message(80, 10104, [10002], '泵车已就位。'),
  message(150, 10107, [10001], '现场照片', { attachments: [{ hash: 'sha256:' + 'cd'.repeat(32), name: '北堤12号桩.png', type: 'image/png', size: 3181 }] }),
]
export const receipts: Receipt[] = [10103, 10105, 10106].map((recipient, i) => ({
  message: messages[2]!.id, recipient, state: i === 2 ? 'read' : 'signed',
  steps: [{ state: 'delivered', at: START + 15 * 60e3 }, { state: 'read', at: START + 16 * 60e3 }, ...(i === 2 ? [] : [{ state: 'signed' as const, at: START + 17 * 60e3, by: 'zhangwei' }])],
}))
export const alerts: Alert[] = []
export const callLog: CallRecord[] = [
  { id: id(), from_name: '13800138000', outside: true, position: 10902, start: START + 20 * 60e3, end: START + 21 * 60e3, result: 'missed' },
  { id: id(), from_name: '水文站', outside: true, position: 10901, by: 'wangfang', start: START + 50 * 60e3, answered: START + 50 * 60e3 + 6000, end: START + 54 * 60e3, result: 'answered' },
  { id: id(), from: 10101, from_name: '李建国', to_digits: '02885551234', by: 'admin', start: START + 70 * 60e3, end: START + 70 * 60e3 + 20000, result: 'busy' },
]
export const calls: CallInfo[] = []
export const status = (): Status => ({
  node: 'node-1', version: '0.1.0', uptime_s: 86400, time: Date.now(), leader: true, quorum: true, degraded: [], disk_free: 71e9, disk_total: 120e9, consoles: 3, phones: 2, calls: calls.length, talking: 1, rss: 88e6, clock_error_ms: 4,
})

/** How three nodes are, one of them not well. */
export const nodes = (list: { node: string; url: string }[]): NodeState[] => {
  const at = (n: string, i: number, part: Partial<NodeState>): NodeState => ({
    node: n, url: list.find((x) => x.node === n)?.url ?? `https://10.1.0.${i}:8443`, address: `10.1.0.${i}:7400`, media: [`10.1.0.${i}:8443`], role: 'voter', state: 'serving', reachable: true,
    since: START, heard: Date.now(), lag: 0, here: n === list[0]!.node, status: { ...status(), node: n, leader: false }, ...part,
  })
  return [
    at('node-1', 1, { leader: true, status: { ...status(), power: { ups: 'ups@127.0.0.1:3493', known: true, charge: 82, on_battery: true, runtime_s: 2820 } } }), at('node-2', 2, { lag: 1834, state: 'behind', status: { ...status(), node: 'node-2', disk_free: 9e9, degraded: ['disk_low'] } }),
    at('node-3', 3, { state: 'unreachable', reachable: false, heard: Date.now() - 95e3 }), at('node-4', 4, { role: 'learner', why: 'an even number of voters is refused', via: 'node-2' }),
  ]
}
