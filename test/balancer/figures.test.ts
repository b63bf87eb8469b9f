/**
 * The figures in the load balancers' configurations fit those of the servers, and one another.
 */
import * as Duration from "effect/Duration"
import { describe, expect, it } from "vitest"
import * as Value from "../../src/config/Value.js"
import { options } from "../../src/config/ServerOptions.js"
import { haproxy, nginx, recommended } from "./Balancer.js"

/** The word that follows others. */
const after = (text: string, words: string): string => {
  const [, found] = new RegExp(`(?:^|\\s)${words}\\s+([^\\s;]+)`, "m").exec(text) ?? []
  if (found === undefined) throw new Error(`${words} doesn't stand in:\n${text}`)
  return found
}

const millis = (text: string): number => Duration.toMillis(Value.duration.read(text) ?? Duration.infinity)

const SERVERS = 2
const clients = SERVERS * options.maxConnections.default

const args = recommended.join(" ")
const drainDelay = millis(after(args, "--drain-delay"))

describe("in the README", () => {
  it.each([
    ["nginx", after(nginx.configuration, "proxy_read_timeout")],
    ["HAProxy", after(haproxy.configuration, "timeout tunnel")]
  ])("%s has patience for twice the heartbeat interval", (_, patience) => {
    expect(millis(patience)).toBeGreaterThanOrEqual(2 * Duration.toMillis(options.heartbeatInterval.default))
  })

  it("HAProxy waits longer for the answer to a handshake than the server lets one hang", () => {
    const patience = millis(after(haproxy.configuration, "timeout server"))
    expect(patience).toBeGreaterThan(Duration.toMillis(options.handshakeTimeout.default))
  })

  it("HAProxy has found out that a server stops before its drain delay is over", () => {
    const [interval, falls] = [after(haproxy.configuration, "inter"), after(haproxy.configuration, "fall")]
    expect(drainDelay).toBeGreaterThan(millis(interval) * Number(falls))
  })

  it("the servers have time to close within the drain timeout", () => {
    const needed = drainDelay + Duration.toMillis(options.closeTimeout.default)
    expect(millis(after(args, "--drain-timeout"))).toBeGreaterThan(needed)
  })

  it("the balancers take as many clients as the servers together", () => {
    const connections = Number(after(nginx.configuration, "worker_connections"))
    expect(connections).toBeGreaterThan(2 * clients)
    expect(Number(after(nginx.configuration, "worker_rlimit_nofile"))).toBeGreaterThan(connections)
    expect(Number(after(haproxy.configuration, "maxconn"))).toBeGreaterThanOrEqual(clients)
  })
})
