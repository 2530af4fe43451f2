/** The hash of a file as the protocol writes it. Needs a secure context, as crypto.subtle does. */
export async function sha256(data: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await data.arrayBuffer())
  return 'sha256:' + Array.from(new Uint8Array(digest), (o) => o.toString(16).padStart(2, '0')).join('')
}
