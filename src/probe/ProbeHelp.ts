/**
 * The help of the probe.
 */
import * as Arguments from "../config/Arguments.js"
import type { Option } from "../config/Option.js"
import { options, shorts, switches } from "./ProbeOptions.js"

const describe = ({ defaultText, flag, help, isRepeatable, placeholder }: Option<unknown>): string =>
  [
    `  --${flag} ${placeholder}${isRepeatable ? "   (repeatable)" : ""}`,
    Arguments.wrap(`${help} Default: ${defaultText}.`, "      ")
  ].join("\n")

const describeSwitch = ([name, help]: readonly [string, string]): string => {
  const short = shorts[name] === undefined ? "" : `-${shorts[name]}, `
  return [`  ${short}--${name}`, Arguments.wrap(help, "      ")].join("\n")
}

/** The help, in the order in which a person reads it. */
export const help = (): string => `answerback probe: what happens to a WebSocket connection

Usage: answerback probe [options] URL

Connects, sends messages to a server that echoes them (or pings to any server,
with --ping), measures the round trips, and says how the connection ended.
URL is ws://…, wss://…, http://… or https://….

Durations are written as 500ms, 30s, 2m or "30 seconds", sizes as bytes, 64KiB
or 1MiB.

Options:
${[...Object.values(options).map(describe), ...Object.entries(switches).map(describeSwitch)].join("\n")}
  -h, --help
      Show this help.

Expectations, each with an --expect of its own:
  open                    the probe closed it, and the server answered
  close, close=1001, close=1000-1003
                          a Close frame from the server; 1005 is an empty one
  reset                   a TCP reset without a Close frame
  eof                     the end of TCP without a Close frame
  silent                  not a byte for the timeout, nor an answer to a ping
  no-echo                 alive, but not one echo within the timeout
  invalid                 a frame that RFC 6455 doesn't allow
  too-much                a message larger than 16 MiB and than twice --size, or
                          more pings at once than can be answered
  unanswered              the probe's Close frame wasn't answered
  refused, refused=503, refused=400-499
                          the handshake was answered with that HTTP status
  bad-handshake           it was answered with something else
  timeout                 it wasn't answered within the timeout
  unreachable, tls        no TCP connection, no agreement on TLS
  echoes>=10              also: sent, lost, duplicates, changed, out-of-order,
                          reconnects; with =, <, <=, > or >=
  p99<50ms                also: min, mean, p50, p90, p95, max, handshake

Of the endings that are named one must come (open, if none is), and every
measure must hold. While an ending other than open or unanswered is awaited the
probe stays, after --count messages, for another --timeout. With --reconnect an
expected ending is the last; otherwise the last ending counts.

Signals: SIGINT and SIGTERM close the connection politely; a second one ends
the program at once.

Exit codes
  0    as expected
  1    not as expected
  2    an option can't be read
  3    there never was a connection, and that wasn't expected
  130  interrupted: before there was a connection, or twice (143: SIGTERM)
`
