/**
 * IP addresses and networks of them: whom a peer stands for.
 */
import { BlockList, isIP } from "node:net"

/** A network of addresses in CIDR notation (RFC 4632, RFC 4291 section 2.3); one address has the whole prefix. */
export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: "ipv4" | "ipv6"
}

const familyOf = (address: string): Network["family"] | undefined => {
  const version = isIP(address)
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6"
}

/** An IPv4 address that came through a dual stack socket (RFC 4291 section 2.5.5.2), as such; others as they are. */
export const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "")

/** Writes `address:port`, IPv6 in brackets (RFC 3986 section 3.2.2). */
export const withPort = (address: string, port: number): string =>
  `${address.includes(":") ? `[${address}]` : address}:${port}`

/** Reads an address, or a network such as `10.0.0.0/8`. */
export const parse = (text: string): Network | undefined => {
  const [, written = "", bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = unmapped(written)
  const family = familyOf(address)
  if (family === undefined) return undefined
  const longest = family === "ipv4" ? 32 : 128
  const prefix = bits === undefined ? longest : Number(bits) - (address === written ? 0 : 96)
  return prefix >= 0 && prefix <= longest ? { address, prefix, family } : undefined
}

/** Tells whether an address belongs to one of these networks. */
export const among = (networks: ReadonlyArray<Network>): ((address: string) => boolean) => {
  if (networks.length === 0) return () => false
  const list = new BlockList()
  for (const { address, family, prefix } of networks) list.addSubnet(address, prefix, family)
  return (address) => {
    const family = familyOf(address)
    return family !== undefined && list.check(address, family)
  }
}

/** An entry of `X-Forwarded-For` without the port that some proxies write behind it. */
const withoutPort = (entry: string): string =>
  /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(entry)?.[1] ?? entry

/**
 * The address of the client for whom a trusted proxy speaks: the rightmost one in `X-Forwarded-For` that is no trusted
 * proxy, since each proxy appends whom it heard. `undefined` if the peer isn't trusted, or names nobody.
 *
 * What stands left of something that is no address was said by nobody who is trusted: the last proxy before it counts.
 */
export const forwardedFor = (
  isTrusted: (address: string) => boolean,
  peer: string,
  header: string | undefined
): string | undefined => {
  if (header === undefined || !isTrusted(peer)) return undefined
  let client: string | undefined
  for (const entry of header.split(",").toReversed()) {
    const address = unmapped(withoutPort(entry.trim()))
    if (isIP(address) === 0) return client
    client = address
    if (!isTrusted(address)) return client
  }
  return client
}

/** The eight groups of an IPv6 address, the last two of which may be written as an IPv4 address. */
const groupsOf = (address: string): ReadonlyArray<string> => {
  const [head = "", tail] = address.split("::")
  const split = (part: string): Array<string> => (part === "" ? [] : part.split(":"))
  const before = split(head)
  if (tail === undefined) return before
  const after = split(tail)
  const length = after.at(-1)?.includes(".") === true ? 7 : 8
  return [...before, ...Array<string>(Math.max(0, length - before.length - after.length)).fill("0"), ...after]
}

/**
 * What counts as one address: an IPv4 address, or the /64 network of an IPv6 address, all of which one host may use
 * (RFC 6177 section 2).
 */
export const hostOf = (address: string): string => {
  const plain = unmapped(address)
  if (isIP(plain) !== 6) return plain
  const [network = ""] = plain.split("%")
  return `${groupsOf(network.toLowerCase())
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`
}
