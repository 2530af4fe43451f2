/** The columns of an import, in any order; the Chinese heads are what a spreadsheet of ours has. */
export const columns: Record<string, string[]> = {
  number: ['号码', 'number'], name: ['姓名', '名称', 'name'], kind: ['类型', 'kind'], org: ['单位', '部门', 'org'], user: ['登录名', '账号', 'user'],
  roles: ['角色', 'roles', 'role'], extension: ['分机', '话机账号', 'extension', 'username'], class: ['拨出级别', 'class'], groups: ['通话组', 'groups'],
}

/** Text of a file as a spreadsheet wrote it: UTF-8 with or without mark, UTF-16 with mark, or GB18030 as Chinese Excel saves it. */
export function decode(octets: Uint8Array): string {
  if (octets[0] === 0xff && octets[1] === 0xfe) return new TextDecoder('utf-16le').decode(octets)
  try { return new TextDecoder('utf-8', { fatal: true }).decode(octets) } catch { return new TextDecoder('gb18030').decode(octets) }
}

/** Parses CSV after RFC 4180; the separator is a comma, or a tab or semicolon when the head line has no comma. */
export function parse(text: string): string[][] {
  const body = text.replace(/^\uFEFF/, '')
  const head = body.slice(0, body.search(/[\r\n]|$/))
  const sep = head.includes(',') ? ',' : head.includes('\t') ? '\t' : head.includes(';') ? ';' : ','
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  for (let i = 0; i < body.length; i++) {
    const c = body[i]!
    if (quoted) {
      if (c !== '"') cell += c
      else if (body[i + 1] === '"') { cell += '"'; i++ } else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === sep) { row.push(cell); cell = '' } else if (c === '\n' || c === '\r') {
      if (c === '\r' && body[i + 1] === '\n') i++
      row.push(cell); rows.push(row); row = []; cell = ''
    } else cell += c
  }
  if (cell !== '' || row.length) { row.push(cell); rows.push(row) }
  return rows.filter((r) => r.some((v) => v.trim() !== ''))
}

export interface Row { line: number; cells: Record<string, string>; problem?: string }
export interface Preview { rows: Row[]; unknown: string[]; problems: number }

/** Looks a file over before the server does: unknown columns, missing names, numbers twice or out of range. */
export function preview(text: string): Preview {
  const [head = [], ...body] = parse(text)
  const names = head.map((h) => canonical(h.trim()))
  const seen = new Map<string, number>()
  const rows = body.map((cells, i): Row => {
    const row: Row = { line: i + 2, cells: {} }
    names.forEach((n, k) => { if (n) row.cells[n] = (cells[k] ?? '').trim() })
    row.problem = problemOf(row, seen, cells.length > head.length)
    return row
  })
  const unknown = head.filter((h, i) => h.trim() && !names[i]).map((h) => h.trim())
  return { rows, unknown, problems: rows.filter((r) => r.problem).length }
}

function canonical(head: string): string | undefined {
  return Object.keys(columns).find((k) => columns[k]!.includes(head.toLowerCase()))
}

function problemOf(row: Row, seen: Map<string, number>, long: boolean): string | undefined {
  const number = row.cells.number ?? ''
  if (long) return 'too_many_cells'
  if (!/^\d{1,8}$/.test(number) || Number(number) === 0) return 'bad_number'
  if (seen.has(number)) return 'number_twice'
  seen.set(number, row.line)
  if (!row.cells.name) return 'no_name'
  return undefined
}

/** Writes the table as the server reads it: English heads, commas, UTF-8. */
export function canonicalCSV(p: Preview): string {
  const used = Object.keys(columns).filter((c) => p.rows.some((r) => r.cells[c]))
  const quote = (v: string) => (/[",\r\n]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v)
  return [used.join(','), ...p.rows.map((r) => used.map((c) => quote(r.cells[c] ?? '')).join(','))].join('\r\n') + '\r\n'
}
