/**
 * What clients, servers and operators see with a load balancer in between. Each balancer runs the same tests.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { describeMessage } from "../clients/client.js"
import { client } from "../clients/whatwg.js"
import { ask } from "../support/admin.js"
import { type Pair, selfSigned } from "../support/certificate.js"
import { eventually } from "../support/eventually.js"
import { noHandshake } from "../support/get.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as Probe from "../support/probe.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { type Balancer, type Changes, recommended, type Running } from "./Balancer.js"
import * as Stream from "./Stream.js"

const MIB = 1024 * 1024

/** The pages' origin, and their host. */
const ORIGIN = "https://echo.example.com"
const HOST = "echo.example.com"

const SHUTDOWN = "close 1001 server shutting down"

/** An address of this machine that no proxy has. */
const CLIENT = "127.0.0.2"

/** Two servers behind a balancer. */
export interface Pool {
  readonly one: Program.Listening
  readonly two: Program.Listening
  readonly balancer: Running
}

/** A client from an address of its own. */
const from = ({ port }: Running, localAddress: string = CLIENT) => ({ port, localAddress, tls: true })

/** Sends a handshake, and tells how it was answered. */
const handshake = (to: RawClient.OpenOptions, options: Http.RequestOptions = {}) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawClient.open(to)
      yield* peer.write(Http.request({ ...options, headers: { Host: HOST, ...options.headers } }))
      return yield* peer.response
    })
  )

/** The addresses of those who are connected to a server, as it says. */
const remotes = ({ port }: Program.Listening) =>
  Effect.map(ask({ port }, "GET /connections"), ({ json }) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server sends
    const { connections } = json as { readonly connections: ReadonlyArray<{ readonly remote: string }> }
    return connections.map(({ remote }) => remote)
  })

/** Whoever is connected through a balancer, by the server that has them; some with each. */
const crowd = ({ balancer, one, two }: Pool) =>
  Effect.gen(function* () {
    const peers = new Map<string, RawClient.RawClient>()
    for (let i = 0; i < 6; i++) {
      const address = `127.0.0.${10 + i}`
      peers.set(address, yield* RawClient.connect(from(balancer, address)))
    }
    const of = (server: Program.Listening) =>
      Effect.map(remotes(server), (all) => all.flatMap((remote) => peers.get(remote) ?? []))
    const found = { one: yield* of(one), two: yield* of(two) }
    expect([found.one.length, found.two.length]).toEqual([3, 3])
    return found
  })

const expectEcho = (peer: RawClient.RawClient, text: string) =>
  Effect.gen(function* () {
    yield* peer.write(Frames.text(text))
    expect((yield* peer.nextMessage).text).toBe(text)
  })

/** What a test finds at hand. */
export interface Setup {
  /** Servers and a balancer as in the README, which all tests share that stop none of them. */
  readonly pool: Pool
  /** The same for one test. */
  readonly start: (args?: ReadonlyArray<string>) => Effect.Effect<Pool, unknown, Scope.Scope>
  /** Puts a balancer before one server alone. */
  readonly front: (
    server: Program.Listening,
    changes: Changes
  ) => Effect.Effect<Running, unknown, Scope.Scope>
}

const behaviours = (balancer: Balancer, more: (setup: () => Setup) => void): void => {
  const scope = Effect.runSync(Scope.make())
  let made: Setup | undefined
  const setup = (): Setup => {
    if (made === undefined) throw new Error("nothing is set up yet")
    return made
  }

  const make = (certificate: Pair): Omit<Setup, "pool"> => ({
    start: (args = []) =>
      Effect.gen(function* () {
        const server = Program.start({ args: [...recommended, ...args] })
        const [one, two] = yield* Effect.all([server, server], { concurrency: 2 })
        const running = yield* balancer.start({ servers: [one.port, two.port], certificate })
        return { one, two, balancer: running }
      }),
    front: ({ port }, changes) => balancer.start({ servers: [port, port], certificate, changes })
  })

  beforeAll(() =>
    Effect.runPromise(
      Effect.gen(function* () {
        const makers = make(yield* selfSigned)
        // What hangs is let go after a second, and not after the default of ten.
        made = { ...makers, pool: yield* makers.start(["--handshake-timeout", "1s"]) }
      }).pipe(Scope.extend(scope))
    )
  )
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  live("carries text and binary messages of a real client both ways", () =>
    Effect.gen(function* () {
      const { url } = setup().pool.balancer
      const ws = client((url, subprotocols, listener) => {
        const options = { rejectUnauthorized: false, origin: ORIGIN }
        const socket = new WebSocket(url, subprotocols, options)
        socket.addEventListener("open", listener.onOpen)
        socket.addEventListener("message", ({ data }) => listener.onMessage(data))
        socket.addEventListener("error", ({ message }) => listener.onError(message))
        socket.addEventListener("close", listener.onClose)
        return socket
      })
      const session = yield* ws.open(url)
      const many = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? randomBytes(1000) : `message ${i}`))
      const messages = ["hello", "👋🏽", "", Uint8Array.of(0, 255, 128), randomBytes(MIB), ...many]
      const echoes = yield* session.exchange(messages)
      expect(echoes.map(describeMessage)).toEqual(messages.map(describeMessage))
      yield* session.close(4001, "that's all")
      expect(yield* session.closed).toMatchObject({ code: 4001, wasClean: true })
    })
  )

  for (const [how, changes] of [
    ["in place of what the client says of itself", {}],
    ["behind what the client says of itself", balancer.appending]
  ] as const)
    live(`tells the servers the address of the client, ${how}`, () =>
      Effect.gen(function* () {
        const { one } = setup().pool
        const to = from(yield* setup().front(one, changes))
        yield* eventually(
          "those of other tests are gone",
          Effect.map(remotes(one), ({ length }) => length === 0)
        )
        const lies = [
          {},
          { "X-Forwarded-For": "203.0.113.9" },
          { "X-Forwarded-For": ["203.0.113.9", "127.0.0.1"], "X-Real-IP": "203.0.113.9" },
          {
            "X-Forwarded-For": "",
            "x-forwarded-for": "203.0.113.9, 127.0.0.1",
            Forwarded: "for=203.0.113.9"
          },
          { "X-Forwarded-For": "203.0.113.9", Connection: "Upgrade, X-Forwarded-For" }
        ]
        for (const headers of lies) yield* RawClient.connect({ ...to, headers })
        expect(yield* remotes(one)).toEqual(lies.map(() => CLIENT))
      })
    )

  live("lets come through why a handshake is refused", () =>
    Effect.gen(function* () {
      const to = from(setup().pool.balancer)
      expect((yield* handshake(to, { headers: { Origin: ORIGIN } })).status).toBe(101)
      const foreign = yield* handshake(to, { headers: { Origin: "https://evil.example.com" } })
      expect(foreign).toMatchObject({ status: 403, body: expect.stringContaining("--origin") })
      const plain = yield* handshake(to, { headers: noHandshake })
      expect(plain).toMatchObject({ status: 426, headers: { upgrade: "websocket" } })
      expect(yield* handshake(to, { path: "/echo?fault=nonsense" })).toMatchObject({
        status: 400,
        body: expect.stringContaining("InvalidFault")
      })
      expect(yield* handshake(to, { path: "/echo?fault=refuse&status=404" })).toMatchObject({
        status: 404,
        body: expect.stringContaining("as was asked for")
      })
      expect(yield* handshake(to, { path: "/echo?fault=refuse&status=503&retry-after=7" })).toMatchObject({
        status: 503,
        headers: { "retry-after": "7" }
      })
    })
  )

  live("makes of a reset the end of TCP, and lets other faults come through", () =>
    Effect.gen(function* () {
      const to = from(setup().pool.balancer)
      const reset = yield* RawClient.connect({ ...to, path: "/echo?fault=reset" })
      expect((yield* reset.allUntilEnd).frames).toEqual([])
      expect(yield* reset.endedByKernel).toBe("fin")
      const closed = yield* RawClient.connect({ ...to, path: "/echo?fault=close&code=4001&reason=bye" })
      expect(Frames.describe(yield* closed.nextFrame)).toBe("close 4001 bye")
      const doubled = yield* RawClient.connect({ ...to, path: "/echo?fault=duplicate&rate=1" })
      yield* doubled.write(Frames.text("hello"))
      expect([(yield* doubled.nextMessage).text, (yield* doubled.nextMessage).text]).toEqual([
        "hello",
        "hello"
      ])
    })
  )

  live("lets nothing through but the endpoint", () =>
    Effect.gen(function* () {
      const to = from(setup().pool.balancer)
      const paths = [
        "/",
        "/connections",
        "/events",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/readyz",
        "/echo/"
      ]
      for (const path of paths) {
        const { body, status } = yield* handshake(to, { path, headers: noHandshake })
        expect(status, path).toBe(404)
        // The server would have answered in JSON.
        expect(body).toContain("<h1>404 Not Found</h1>")
      }
    })
  )

  live("is not believed by the admin API, should it let all through", () =>
    Effect.gen(function* () {
      const server = yield* Program.start()
      const to = from(yield* setup().front(server, balancer.careless))
      // As if from this machine: what gives it away is that it came through a proxy.
      const headers = { Host: `localhost:${server.port}` }
      for (const line of ["GET /connections", "DELETE /connections", "GET /events", "GET /docs"]) {
        const { json, status } = yield* ask(to, line, { headers })
        expect({ line, status }).toEqual({ line, status: 403 })
        expect(json).toMatchObject({
          error: "Forbidden",
          message: expect.stringContaining("comes through a proxy")
        })
      }
      expect((yield* ask(server, "GET /connections", { headers })).status).toBe(200)
      // What else it lets through.
      expect(yield* ask(to, "GET /readyz")).toMatchObject({ status: 200, body: "ok" })
      expect(yield* handshake(to, { path: "/elsewhere" })).toMatchObject({
        status: 404,
        body: expect.stringContaining("NotFound")
      })
      // Nobody has told this server that its pages are served with TLS.
      expect((yield* handshake(to, { headers: { Origin: ORIGIN } })).status).toBe(403)
      expect((yield* handshake(to, { headers: { Origin: `http://${HOST}` } })).status).toBe(101)
    })
  )

  live("isn't made to take servers for dead by clients who ask for faults", () =>
    Effect.gen(function* () {
      const to = from(setup().pool.balancer)
      const faults = ["hang", "hang", "refuse&status=503", "refuse&status=503", "refuse&status=500"]
      const answers = yield* Effect.forEach(
        faults,
        (fault) => handshake(to, { path: `/echo?fault=${fault}` }),
        { concurrency: "unbounded" }
      )
      expect(answers.map(({ status }) => status)).toEqual([502, 502, 503, 503, 500])
      for (let i = 0; i < 4; i++) expect((yield* handshake(to)).status).toBe(101)
    })
  )

  live("keeps a quiet connection as long as the server pings more often than the balancer has patience", () =>
    Effect.gen(function* () {
      const changes = { [balancer.quiet]: balancer.quiet.replace("60s", "1s") }
      /** What becomes of a connection with two messages in 2.2 s. */
      const quiet = (interval: string, expected: string) =>
        Effect.gen(function* () {
          const server = yield* Program.start({ args: ["--heartbeat-interval", interval] })
          const { url } = yield* setup().front(server, changes)
          const times = ["--insecure", "--count", "2", "--interval", "2200ms"]
          const { code, stdout } = yield* Probe.run([...times, "--expect", expected, url])
          expect(code, stdout).toBe(0)
          return yield* server.log.logged("connection closed")
        })
      const [pinged, unpinged] = yield* Effect.all([quiet("125ms", "open"), quiet("off", "eof")], {
        concurrency: 2
      })
      expect(pinged).toMatchObject({ reason: "PeerClosed", code: 1000, messagesIn: 2 })
      expect(unpinged).toMatchObject({ reason: "PeerVanished", code: null, messagesIn: 1 })
    })
  )

  live("loses no handshake when a server is killed", () =>
    Effect.gen(function* () {
      const pool = yield* setup().start()
      const { one, two } = yield* crowd(pool)
      const stream = yield* Stream.start(from(pool.balancer))
      yield* stream.more(10)
      yield* pool.one.signal("SIGKILL")
      for (const peer of one) expect(yield* peer.ended).toBe("fin")
      yield* stream.more(30)
      expect((yield* stream.end).failures).toEqual([])
      for (const peer of two) yield* expectEcho(peer, "still here")
    })
  )

  more(setup)
}

/**
 * Stops the first of two servers while clients come and go, and expects that no handshake fails, and that everybody
 * connected to it gets its Close frame.
 *
 * @param meanwhile what happens between the signal and the Close frames.
 */
export const expectDrain = (
  pool: Pool,
  meanwhile: (connected: ReadonlyArray<RawClient.RawClient>) => Effect.Effect<unknown, unknown> = () =>
    Effect.void
) =>
  Effect.gen(function* () {
    const { one, two } = yield* crowd(pool)
    const stream = yield* Stream.start(from(pool.balancer))
    yield* stream.more(10)
    yield* pool.one.signal("SIGTERM")
    yield* meanwhile(one)
    const goodbyes = Effect.forEach(
      one,
      (peer) =>
        Effect.gen(function* () {
          const frame = yield* peer.nextFrame
          yield* peer.answerClose([frame])
          return Frames.describe(frame)
        }),
      { concurrency: "unbounded" }
    )
    expect(yield* goodbyes).toEqual(one.map(() => SHUTDOWN))
    expect(yield* pool.one.exit).toEqual({ code: 0, signal: null })
    yield* stream.more(30)
    const { failures, heard } = yield* stream.end
    expect(failures).toEqual([])
    // Those who came last to the server that stopped may have got its Close frame instead of their echo.
    expect([...heard].filter((said) => said !== SHUTDOWN)).toEqual(["text hello"])
    for (const peer of two) yield* expectEcho(peer, "still here")
    const closed = pool.one.log.lines.filter(({ message }) => message === "connection closed")
    expect(closed.filter(({ reason }) => reason === "ServerShutdown").length).toBeGreaterThanOrEqual(3)
    expect(closed.filter(({ code, reason }) => reason === "ServerShutdown" && code !== 1001)).toEqual([])
  })

/** Registers the tests of a balancer. */
export const suite = (balancer: Balancer, more: (setup: () => Setup) => void): void => {
  const { missing, name } = balancer
  if (missing === undefined) describe(name, () => behaviours(balancer, more))
  else if (process.env["CI"] === "true") it(`${name} is here`, () => expect.fail(missing))
  else it.skip(`${name} (skipped: ${missing})`)
}
