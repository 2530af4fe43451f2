import { describe, expect, it } from 'vitest'
import { canonicalCSV, decode, parse, preview } from '../../src/admin/csv'

describe('a file of people', () => {
  it('reads quotes, line breaks in cells, CRLF and empty lines', () => {
    expect(parse('a,b\r\n"x,""y""\nz",2\r\n\r\n')).toEqual([['a', 'b'], ['x,"y"\nz', '2']])
  })
  it('reads tabs and semicolons as spreadsheets write them', () => {
    expect(parse('a\tb\n1\t2')).toEqual([['a', 'b'], ['1', '2']])
    expect(parse('a;b\n1;2')).toEqual([['a', 'b'], ['1', '2']])
  })
  it('reads UTF-8 with a mark, and GB18030 as Chinese Excel saves it', () => {
    expect(preview('\uFEFF号码,姓名\n10201,张三').rows[0]!.cells).toEqual({ number: '10201', name: '张三' })
    expect(decode(new Uint8Array([0xba, 0xc5, 0xc2, 0xeb]))).toBe('号码')
    expect(decode(new TextEncoder().encode('号码'))).toBe('号码')
  })
  it('finds what is wrong, line by line', () => {
    const p = preview('号码,姓名,爱好\n10201,张三,x\n10201,李四,\nabc,王五,\n10203,,\n10204,甲,乙,丙')
    expect(p.unknown).toEqual(['爱好'])
    expect(p.rows.map((r) => [r.line, r.problem])).toEqual([[2, undefined], [3, 'number_twice'], [4, 'bad_number'], [5, 'no_name'], [6, 'too_many_cells']])
    expect(p.problems).toBe(4)
  })
  it('writes what the server reads', () => {
    expect(canonicalCSV(preview('姓名,号码,通话组\n"张,三",10201,10001;10002'))).toBe('number,name,groups\r\n10201,"张,三",10001;10002\r\n')
  })
  it('takes an empty file', () => expect(preview('').rows).toEqual([]))
})
