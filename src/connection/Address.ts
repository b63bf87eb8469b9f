/**
 * How the address of a TCP peer is written.
 */

/**
 * Writes `address:port`, IPv6 in brackets, and an IPv4 address that came through a dual stack socket without
 * `::ffff:`. Node has no address for a peer that is gone already.
 */
export const formatAddress = (address: string | undefined, port: number | undefined): string => {
  const host = (address ?? "unknown").replace(/^::ffff:(?=\d+\.)/i, "")
  return `${host.includes(":") ? `[${host}]` : host}:${port ?? 0}`
}
