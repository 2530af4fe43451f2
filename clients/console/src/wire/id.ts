import type { ID } from './types'

/** A new request ID: 16 random octets as 32 hexadecimal digits. It stays the object's ID for ever. */
export function newID(): ID {
  const octets = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(octets, (o) => o.toString(16).padStart(2, '0')).join('')
}
