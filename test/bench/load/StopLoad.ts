/**
 * Stops by an operator, while the server has others to serve.
 */
import * as net from "node:net"
import type { Socket } from "node:net"
import * as Frames from "../../support/frames.js"
import * as Http from "../../support/http.js"
import { type Latency, latencyOf } from "./Latency.js"
import * as Load from "./socket.js"
import { sleep, type Target } from "./Target.js"

/** One connection after the other is stopped by the admin API. */
export interface StopJob extends Target {
  /** Connections that say nothing, those that say something ten times a second, and those that are stopped. */
  readonly idle: number
  readonly talking: number
  readonly stops: number
  /** The port of the server that is asked, by default of the one that is loaded. */
  readonly operator?: number
}

export interface StopResult {
  /** From the request to the Close frame at the peer, and to the end of TCP there. */
  readonly toClose: Latency
  readonly toEnd: Latency
  /** An echo on one of the connections, in the same minute, for comparison. */
  readonly echo: Latency
}

const message = Frames.text("x".repeat(64))

const once = (socket: Socket, event: string): Promise<unknown> =>
  new Promise((resolve) => socket.once(event, resolve))

const idsAfter = async (port: number, after: string): Promise<ReadonlyArray<string>> => {
  const answer = await fetch(`http://127.0.0.1:${port}/connections?limit=1000&after=${after}`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a page
  const page = (await answer.json()) as {
    readonly connections: ReadonlyArray<{ readonly id: string }>
    readonly next: string | null
  }
  const ids = page.connections.map(({ id }) => id)
  return page.next === null ? ids : [...ids, ...(await idsAfter(port, page.next))]
}

/** Speaks ten times a second, and doesn't listen. */
const talk = (socket: Socket, delay: number): void => {
  socket.resume()
  const first = setTimeout(() => {
    const timer = setInterval(() => socket.write(message), 100)
    socket.once("close", () => clearInterval(timer))
  }, delay)
  socket.once("close", () => clearTimeout(first))
}

/** Measures them. */
export const run = async ({ idle, operator: asked, port, stops, talking }: StopJob): Promise<StopResult> => {
  const others = await Load.openMany(port, idle + talking)
  others.slice(0, idle).forEach((socket) => socket.resume())
  others.slice(idle).forEach((socket, at) => talk(socket, (at * 100) / talking))
  const last = (await idsAfter(port, "")).at(-1) ?? ""
  const peers: Array<Socket> = []
  // One after the other: in the order of their ids.
  // oxlint-disable-next-line no-await-in-loop
  for (let i = 0; i < stops; i++) peers.push(await Load.open(port))
  const ids = await idsAfter(port, last)
  const operator = net.connect({ host: "127.0.0.1", port: asked ?? port, noDelay: true })
  const toClose: Array<number> = []
  const toEnd: Array<number> = []
  for (const [at, peer] of peers.entries()) {
    const answered = once(operator, "data")
    const start = performance.now()
    const onClose = (): void => {
      toClose.push(performance.now() - start)
      peer.write(Frames.close(1001))
    }
    const onEnd = (): void => {
      toEnd.push(performance.now() - start)
      peer.destroy()
    }
    peer.once("data", onClose)
    peer.once("end", onEnd)
    const headers = {
      Upgrade: null,
      Connection: null,
      "Sec-WebSocket-Key": null,
      "Sec-WebSocket-Version": null
    }
    operator.write(Http.request({ method: "DELETE", path: `/connections/${ids[at]}`, headers }))
    // oxlint-disable-next-line no-await-in-loop -- one stop after the other
    await Promise.all([answered, once(peer, "close")])
    // oxlint-disable-next-line no-await-in-loop -- not in step with those that talk
    await sleep(1 + (at % 7))
  }
  operator.destroy()
  const speaker = await Load.open(port)
  const echo: Array<number> = []
  for (let i = 0; i < stops; i++) {
    const start = performance.now()
    speaker.write(message)
    // oxlint-disable-next-line no-await-in-loop -- one echo after the other
    await once(speaker, "data")
    echo.push(performance.now() - start)
    // oxlint-disable-next-line no-await-in-loop
    await sleep(1 + (i % 7))
  }
  await Load.resetAll([...others, speaker])
  return { toClose: latencyOf(toClose), toEnd: latencyOf(toEnd), echo: latencyOf(echo) }
}
