/**
 * IP addresses, networks of them, and whom a proxy speaks for.
 */
import { describe, expect, it } from "@effect/vitest"
import * as FC from "effect/FastCheck"
import * as Network from "../../src/config/Network.js"

const networks = (...texts: ReadonlyArray<string>): ReadonlyArray<Network.Network> =>
  texts.map((text) => {
    const network = Network.parse(text)
    if (network === undefined) throw new Error(`${text} is no network`)
    return network
  })

describe("a network", () => {
  it.each([
    ["10.0.0.1", { address: "10.0.0.1", prefix: 32, family: "ipv4" }],
    ["10.0.0.0/8", { address: "10.0.0.0", prefix: 8, family: "ipv4" }],
    ["0.0.0.0/0", { address: "0.0.0.0", prefix: 0, family: "ipv4" }],
    ["::1", { address: "::1", prefix: 128, family: "ipv6" }],
    ["fd00::/8", { address: "fd00::", prefix: 8, family: "ipv6" }],
    ["::ffff:10.0.0.1", { address: "10.0.0.1", prefix: 32, family: "ipv4" }],
    ["::ffff:10.0.0.0/104", { address: "10.0.0.0", prefix: 8, family: "ipv4" }]
  ])("can be written %s", (text, expected) => {
    expect(Network.parse(text)).toEqual(expected)
  })

  it.each([
    "",
    " ",
    "10.0.0",
    "10.0.0.256",
    "10.0.0.1/33",
    "10.0.0.1/-1",
    "10.0.0.1/",
    "10.0.0.1/8/8",
    "10.0.0.1/a",
    "::1/129",
    "::ffff:10.0.0.0/8",
    "[::1]",
    "fe80::1%eth0",
    "localhost",
    "*",
    " 10.0.0.1"
  ])("can't be written %j", (text) => {
    expect(Network.parse(text)).toBeUndefined()
  })

  it.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.77/8", "10.1.2.3", true],
    ["0.0.0.0/0", "192.0.2.1", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["fd00::/8", "fdff::1", true],
    ["fd00::/8", "fe80::1", false],
    ["::1", "::1", true],
    ["::1", "0:0:0:0:0:0:0:1", true],
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1", "127.0.0.2", false],
    ["127.0.0.1", "unknown", false]
  ])("%s has %s in it: %s", (network, address, expected) => {
    expect(Network.among(networks(network))(address)).toBe(expected)
  })

  it("that isn't given has nobody in it", () => {
    expect(Network.among([])("127.0.0.1")).toBe(false)
  })
})

describe("the client for whom a proxy speaks", () => {
  const trusted = Network.among(networks("10.0.0.0/8", "127.0.0.1", "fd00::/8"))

  it.each<readonly [peer: string, header: string | undefined, client: string | undefined]>([
    ["127.0.0.1", "203.0.113.7", "203.0.113.7"],
    ["127.0.0.1", undefined, undefined],
    ["127.0.0.1", "", undefined],
    ["192.0.2.1", "203.0.113.7", undefined],
    ["192.0.2.1", "203.0.113.7, 127.0.0.1", undefined],
    // What stands left was said by the client itself.
    ["127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"],
    ["127.0.0.1", "203.0.113.7, 10.0.0.1, 10.0.0.2", "203.0.113.7"],
    ["127.0.0.1", "203.0.113.7,10.0.0.1,10.0.0.2", "203.0.113.7"],
    ["127.0.0.1", "  203.0.113.7  ,\t10.0.0.1 ", "203.0.113.7"],
    // All of them are proxies: the first one is the client.
    ["127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["127.0.0.1", "203.0.113.7:4711", "203.0.113.7"],
    ["127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"],
    ["127.0.0.1", "[2001:db8::1]", "2001:db8::1"],
    ["fd00::1", "2001:db8::1, fd12::1", "2001:db8::1"],
    ["127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"],
    ["127.0.0.1", "unknown", undefined],
    ["127.0.0.1", "203.0.113.7, unknown, 10.0.0.1", "10.0.0.1"],
    ["127.0.0.1", "203.0.113.7,,10.0.0.1", "10.0.0.1"],
    ["127.0.0.1", "_hidden, 999.0.0.1", undefined]
  ])("of %s with %j is %s", (peer, header, client) => {
    expect(Network.forwardedFor(trusted, peer, header)).toBe(client)
  })

  it.prop("is never chosen by what stands left of it", [FC.string()], ([forged]) => {
    expect(Network.forwardedFor(trusted, "127.0.0.1", `${forged}, 203.0.113.7, 10.0.0.1`)).toBe("203.0.113.7")
  })
})

describe("what counts as one address", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:0:0:1::1", "2001:db8:0:0::/64"],
    ["2001:db8::2:3:4:5:6", "2001:db8:0:2::/64"],
    ["1::", "1:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["unknown", "unknown"]
  ])("%s is %s", (address, host) => {
    expect(Network.hostOf(address)).toBe(host)
  })

  it.prop(
    "is the same for two IPv6 addresses if and only if their first 64 bits are",
    [FC.ipV6(), FC.ipV6()],
    ([a, b]) => {
      const bits = (address: string) => {
        const list = Network.among(networks(`${address}/64`))
        return list(b)
      }
      expect(Network.hostOf(a) === Network.hostOf(b)).toBe(bits(a) && !/^::ffff:\d/i.test(b))
    }
  )
})
