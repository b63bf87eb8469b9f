/**
 * The options of a server: what each is called, what it takes, and what it is when nothing is given.
 */
import * as Duration from "effect/Duration"
import { repeated, single } from "./Option.js"
import * as Value from "./Value.js"

/**
 * The options of a server, in the order in which the help lists them. Each is a flag of the program, an environment
 * variable, and a field of `ServerConfig`.
 */
export const options = {
  host: single(
    {
      flag: "host",
      defaultText: ":: (all addresses, IPv6 and IPv4; 0.0.0.0 where IPv6 is off)",
      help: "Address to listen on."
    },
    Value.text("ADDRESS", "an address or the name of a host"),
    "::"
  ),
  port: single(
    { flag: "port", env: ["PORT"], defaultText: "8080", help: "TCP port to listen on; 0 picks a free one." },
    Value.port,
    8080
  ),
  path: single(
    { flag: "path", defaultText: "/echo", help: "Path of the WebSocket endpoint." },
    Value.path,
    "/echo"
  ),
  subprotocols: repeated(
    {
      flag: "subprotocol",
      defaultText: "none",
      help: "Subprotocol to offer; the first one given is preferred."
    },
    Value.subprotocol
  ),
  origins: repeated(
    {
      flag: "origin",
      defaultText: "same origin",
      help: "Origin whose pages may connect: * for any, an exact origin, or https://*.example.com. A list replaces the default."
    },
    Value.origin
  ),
  trustedProxies: repeated(
    {
      flag: "trusted-proxy",
      defaultText: "none",
      help: "Address or network (CIDR) of a proxy whose X-Forwarded-For tells the address of the peer."
    },
    Value.network
  ),
  compression: single(
    { flag: "compression", defaultText: "off", help: "Whether to accept permessage-deflate." },
    Value.toggle,
    false
  ),
  // A string can't hold more than 512 MiB less 24 bytes.
  maxPayload: single(
    {
      flag: "max-payload",
      defaultText: "1MiB",
      help: "Largest message; a larger one closes the connection with 1009."
    },
    Value.size(1, 511 * 1024 ** 2, "1 byte to 511MiB"),
    1024 ** 2
  ),
  maxConnections: single(
    {
      flag: "max-connections",
      defaultText: "10000",
      help: "How many connections may be open; a handshake over it is refused with 503."
    },
    Value.orOff(Value.count, Number.POSITIVE_INFINITY),
    10_000
  ),
  maxConnectionsPerAddress: single(
    {
      flag: "max-connections-per-address",
      defaultText: "off",
      help: "How many connections one address (IPv6: one /64 network) may have open; a handshake over it is refused with 429."
    },
    Value.orOff(Value.count, Number.POSITIVE_INFINITY),
    Number.POSITIVE_INFINITY
  ),
  handshakeTimeout: single(
    {
      flag: "handshake-timeout",
      defaultText: "10s",
      help: "How long a TCP peer may take to finish its HTTP request; then it is dropped."
    },
    Value.timeout,
    Duration.seconds(10)
  ),
  heartbeatInterval: single(
    {
      flag: "heartbeat-interval",
      defaultText: "25s",
      help: "Quiet time after which the peer is pinged."
    },
    Value.timeout,
    Duration.seconds(25)
  ),
  heartbeatTimeout: single(
    {
      flag: "heartbeat-timeout",
      defaultText: "10s",
      help: "How long after a ping without a byte from the peer it is taken for dead; its TCP connection is reset."
    },
    Value.timeout,
    Duration.seconds(10)
  ),
  idleTimeout: single(
    {
      flag: "idle-timeout",
      defaultText: "off",
      help: "How long a connection may go without a message (pings don't count); then it is closed with 3008."
    },
    Value.timeout,
    Duration.infinity
  ),
  maxLifetime: single(
    {
      flag: "max-lifetime",
      defaultText: "off",
      help: "How old a connection may become, 10 % more or less; then it is closed with 1012."
    },
    Value.timeout,
    Duration.infinity
  ),
  sendTimeout: single(
    {
      flag: "send-timeout",
      defaultText: "30s",
      help: "How long outbound data may be stuck, not a byte of it taken; then the TCP connection of the slow consumer is reset."
    },
    Value.timeout,
    Duration.seconds(30)
  ),
  highWaterMark: single(
    {
      flag: "high-water-mark",
      defaultText: "64KiB",
      help: "Outbound bytes buffered on a connection before its reading pauses."
    },
    Value.size(1, 511 * 1024 ** 2, "1 byte to 511MiB"),
    64 * 1024
  ),
  closeTimeout: single(
    {
      flag: "close-timeout",
      defaultText: "5s",
      help: "How long a close handshake may take before the TCP connection is destroyed."
    },
    Value.duration,
    Duration.seconds(5)
  ),
  drainTimeout: single(
    {
      flag: "drain-timeout",
      defaultText: "8s",
      help: "How long a whole shutdown may take; then the connections that are left are destroyed."
    },
    Value.duration,
    Duration.seconds(8)
  ),
  drainDelay: single(
    {
      flag: "drain-delay",
      defaultText: "0s",
      help: "How long to go on serving, not ready any more, before draining starts."
    },
    Value.duration,
    Duration.zero
  ),
  drainSpread: single(
    {
      flag: "drain-spread",
      defaultText: "0s",
      help: "Time over which the closes of a shutdown are spread evenly."
    },
    Value.duration,
    Duration.zero
  ),
  shutdownCode: single(
    {
      flag: "shutdown-code",
      defaultText: "1001",
      help: "Close code of a shutdown; some clients reconnect only on 1012."
    },
    Value.closeCode,
    1001
  ),
  faults: single(
    {
      flag: "faults",
      defaultText: "on",
      help: "Whether clients may ask for faults in the URL that they connect to; off answers them 403."
    },
    Value.toggle,
    true
  ),
  console: single(
    {
      flag: "console",
      defaultText: "on",
      help: "Whether GET / is the browser console; off answers it 404."
    },
    Value.toggle,
    true
  ),
  adminToken: single(
    {
      flag: "admin-token",
      defaultText: "none",
      help: "What the admin API wants as Authorization: Bearer TOKEN; without one it answers only this machine. Better given by the environment: flags can be read by others on the machine."
    },
    Value.secret,
    undefined
  ),
  tlsCert: single(
    {
      flag: "tls-cert",
      defaultText: "none",
      help: "PEM file with the certificate and its chain; with --tls-key, serves https and wss."
    },
    Value.text("FILE", "the path of a PEM file"),
    undefined
  ),
  tlsKey: single(
    { flag: "tls-key", defaultText: "none", help: "PEM file with the private key of the certificate." },
    Value.text("FILE", "the path of a PEM file"),
    undefined
  )
}
