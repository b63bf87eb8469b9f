/**
 * Many processes that share a port, and are seen as one server.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { describe, expect } from "vitest"
import { ask, follow } from "../support/admin.js"
import { noOpenssl, selfSigned, temporaryDirectory } from "../support/certificate.js"
import { eventually } from "../support/eventually.js"
import { page, type SeenConnection, type SeenPage } from "../support/fleet.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import { scrape } from "../support/metrics.js"
import { PATIENCE } from "../../src/cluster/Link.js"
import { childrenOf, isRunning } from "../support/processes.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveWithTool } from "../support/skip.js"

const WORKERS = 2

const noPrlimit =
  spawnSync("prlimit", ["--version"]).status === 0
    ? undefined
    : "no prlimit: apt-get install -y --no-install-recommends util-linux"

/** Lets a process have so many open files at most. */
const limitFiles = (pid: number, count: number): void => {
  execFileSync("prlimit", [`--nofile=${count}:`, "--pid", String(pid)])
}

const start = (...args: ReadonlyArray<string>) =>
  Program.start({ args: ["--workers", String(WORKERS), ...args] })

/** A page of the list. */
const list = page

const connect = (port: number, count: number) => Effect.replicateEffect(RawClient.connect({ port }), count)

/** What ends the ids of the connections of one process. */
const tagOf = ({ id }: SeenConnection): string => id.slice(-6)

/** As often as it takes for each worker to have been asked: each request goes to the next. */
const asOften = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.replicateEffect(effect, 2 * WORKERS)

/** Of those peers, the one of a listed connection. */
const peerOf = (peers: ReadonlyArray<RawClient.RawClient>, { remote }: SeenConnection) =>
  Effect.flatMap(
    Effect.filter(peers, (peer) => Effect.map(peer.localPort, (port) => remote === `127.0.0.1:${port}`)),
    ([peer]) => (peer === undefined ? Effect.fail(new Error(`nobody is ${remote}`)) : Effect.succeed(peer))
  )

describe("with --workers 2", () => {
  live("the connections of both are listed by either, in the order of their ids, page by page", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const peers = yield* connect(port, 10)
      for (const peer of peers) {
        yield* peer.write(Frames.text("hello"))
        expect((yield* peer.nextMessage).text).toBe("hello")
      }
      for (const { connections, next, total } of yield* asOften(list(port))) {
        expect(total).toBe(10)
        expect(next).toBeNull()
        expect(connections.map(({ id }) => id)).toEqual(connections.map(({ id }) => id).toSorted())
        expect(connections.every(({ messagesIn }) => messagesIn === 1)).toBe(true)
        expect(new Set(connections.map(tagOf)).size).toBe(WORKERS)
      }
      const all = (yield* list(port)).connections.map(({ id }) => id)
      const paged: Array<string> = []
      for (let after = ""; ;) {
        const found: SeenPage = yield* list(port, `limit=3&after=${after}`)
        expect(found.total).toBe(10)
        paged.push(...found.connections.map(({ id }) => id))
        if (found.next === null) break
        after = found.next
      }
      expect(paged).toEqual(all)
    })
  )

  live("each can be looked up, stopped and made to fail, whoever is asked", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const peers = yield* connect(port, 6 * WORKERS)
      const { connections } = yield* list(port)
      for (const [at, one] of connections.entries()) {
        const peer = yield* peerOf(peers, one)
        const found = yield* asOften(ask({ port }, `GET /connections/${one.id}`))
        expect(found.map(({ status }) => status)).toEqual(found.map(() => 200))
        if (at % 2 === 0) {
          const stopped = yield* ask({ port }, `DELETE /connections/${one.id}?code=4001&reason=enough`)
          expect([stopped.status, stopped.json]).toEqual([202, { id: one.id }])
          expect(Frames.describe(yield* peer.nextFrame)).toBe("close 4001 enough")
        } else {
          const body = JSON.stringify({ fault: "close", code: 4002, reason: "as you like" })
          expect((yield* ask({ port }, `POST /connections/${one.id}/faults`, { body })).status).toBe(202)
          expect(Frames.describe(yield* peer.nextFrame)).toBe("close 4002 as you like")
        }
      }
      const nobody = yield* asOften(ask({ port }, "DELETE /connections/nobody"))
      expect(nobody.map(({ status }) => status)).toEqual(nobody.map(() => 404))
      const [one] = connections
      const bad = yield* asOften(ask({ port }, `DELETE /connections/${one?.id ?? ""}?code=1005`))
      for (const { json, status } of bad)
        expect([status, json]).toMatchObject([400, { error: "InvalidClose" }])
      const wrong = yield* asOften(ask({ port }, `POST /connections/${one?.id ?? ""}/faults`, { body: "{}" }))
      for (const { json, status } of wrong)
        expect([status, json]).toMatchObject([400, { error: "InvalidFault" }])
    })
  )

  live("all are stopped by one request, which counts them", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const peers = yield* connect(port, 20)
      const answer = yield* ask({ port }, "DELETE /connections?code=4003")
      expect([answer.status, answer.json]).toEqual([202, { stopped: 20 }])
      for (const peer of peers) {
        const frame = yield* peer.nextFrame
        expect(Frames.describe(frame)).toBe("close 4003 connection interrupted")
        yield* peer.answerClose([frame])
      }
      yield* eventually(
        "all have ended",
        Effect.map(list(port), ({ total }) => total === 0)
      )
      expect((yield* ask({ port }, "DELETE /connections")).json).toEqual({ stopped: 0 })
    })
  )

  live("metrics are those of both, whoever is asked", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const peers = yield* connect(port, 10)
      for (const peer of peers) {
        yield* peer.write(Frames.text("12345"))
        yield* peer.nextMessage
      }
      yield* ask({ port }, "GET /echo", { headers: { Upgrade: "websocket", Connection: "Upgrade" } })
      const began = performance.now()
      for (const figures of yield* asOften(scrape(port))) {
        // Nobody waits for whom nobody has to wait for.
        expect(performance.now() - began).toBeLessThan(PATIENCE)
        expect(figures.get("answerback_connections")).toBe(10)
        expect(figures.get("answerback_connections_opened_total")).toBe(10)
        expect(figures.get('answerback_messages_total{direction="in"}')).toBe(10)
        expect(figures.get('answerback_bytes_total{direction="out"}')).toBe(50)
        expect(figures.get('answerback_handshakes_rejected_total{status="426"}')).toBe(1)
        expect([...figures].filter(([name]) => name.startsWith("answerback_build_info"))).toEqual([
          [expect.stringContaining("version="), 1]
        ])
      }
    })
  )

  live("events are of both, with the same ids at either, so that a follower goes on anywhere", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const followers = yield* asOften(follow(port))
      const peers = yield* connect(port, 4)
      for (const { count } of followers) yield* count(4)
      const [first] = followers
      const ids = first?.received.map(({ id }) => id)
      for (const { received } of followers) {
        expect(received.map(({ event }) => event)).toEqual(received.map(() => "opened"))
        expect(received.map(({ id }) => id)).toEqual(ids)
      }
      yield* ask({ port }, "DELETE /connections?code=4004")
      for (const peer of peers) yield* peer.answerClose([yield* peer.nextFrame])
      for (const { count } of followers) yield* count(12)
      const all = first?.received ?? []
      expect(all.filter(({ event }) => event === "stopping")).toHaveLength(4)
      for (const { data } of all.filter(({ event }) => event === "closed"))
        expect(data).toMatchObject({ reason: "StopSignal", code: 4004 })
      for (const back of yield* asOften(follow(port, { "Last-Event-ID": all[5]?.id ?? "" }))) {
        yield* back.count(6)
        expect(back.received).toEqual(all.slice(6))
      }
    })
  )

  live("what a peer has sent before it ended its side is echoed, as by one process", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const talk = (rest: ReadonlyArray<Uint8Array>) =>
        Effect.scoped(
          Effect.gen(function* () {
            const peer = yield* RawClient.open({ port })
            yield* peer.writeAndEnd(Buffer.concat([Buffer.from(Http.request()), ...rest]))
            expect((yield* peer.responseHead).status).toBe(101)
            const { frames } = yield* peer.allUntilEnd
            expect(frames.map(Frames.describe).slice(0, rest.length)).toEqual(rest.map(() => "text hello"))
          })
        )
      for (let i = 0; i < 10; i++) {
        yield* talk([Frames.text("hello")])
        yield* talk([Frames.text("hello"), Frames.text("hello")])
        yield* talk([])
      }
    })
  )

  live("limits hold for both together", () =>
    Effect.gen(function* () {
      const { port } = yield* start("--max-connections", "5", "--max-connections-per-address", "4")
      const peers = yield* connect(port, 4)
      const refused = yield* asOften(Effect.flip(RawClient.connect({ port })))
      for (const error of refused) expect(error.message).toContain("429")
      const other = { port, host: "127.0.0.1", localAddress: "127.0.0.2" }
      yield* RawClient.connect(other)
      const full = yield* asOften(Effect.flip(RawClient.connect({ ...other, localAddress: "127.0.0.3" })))
      for (const error of full) expect(error.message).toContain("503")
      // A place that is given back is there for either.
      for (const [at, peer] of peers.entries()) {
        yield* peer.reset
        yield* eventually(
          "it has gone",
          Effect.map(list(port), ({ total }) => total === 4)
        )
        yield* RawClient.connect({ ...other, localAddress: `127.0.0.${10 + at}` })
      }
    })
  )
})

/** A number of connections, of which each is told by the process that holds it. */
const byWorker = (port: number, peers: ReadonlyArray<RawClient.RawClient>) =>
  Effect.gen(function* () {
    const { connections } = yield* list(port)
    const groups = new Map<string, Array<RawClient.RawClient>>()
    for (const one of connections) {
      const group = groups.get(tagOf(one)) ?? []
      group.push(yield* peerOf(peers, one))
      groups.set(tagOf(one), group)
    }
    return groups
  })

describe("a worker that is killed", () => {
  live("under load is noticed by none of those who talk to the others, nor by those who come", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const { port } = program
      const peers = yield* connect(port, 20)
      const before = yield* list(port)
      let echoes = 0
      const talk = (peer: RawClient.RawClient) =>
        Effect.forEach(Array.from({ length: 200 }), (_, at) =>
          Effect.gen(function* () {
            yield* peer.write(Frames.text(`${at}`))
            expect((yield* peer.nextMessage).text).toBe(`${at}`)
            echoes++
          })
        )
      const talking = yield* Effect.fork(
        Effect.forEach(peers, (peer) => Effect.either(talk(peer)), { concurrency: "unbounded" })
      )
      // Some of these are on their way to the one that is killed: nobody waits for ever, and most are served.
      const coming = yield* Effect.fork(Effect.replicateEffect(Effect.either(list(port)), 100))
      yield* eventually(
        "all talk",
        Effect.sync(() => echoes > 200)
      )
      process.kill(childrenOf(program.pid)[0] ?? 0, "SIGKILL")
      const left = yield* eventuallyLeft(port)
      const outcomes = yield* Fiber.join(talking)
      const ofLeft = before.connections.filter((one) => tagOf(one) === left)
      expect(outcomes.filter(Either.isRight)).toHaveLength(ofLeft.length)
      expect(ofLeft).toHaveLength(10)
      const came = yield* Fiber.join(coming)
      expect(came.filter(Either.isRight).length).toBeGreaterThan(90)
      for (const one of came.filter(Either.isLeft))
        expect(one.left).toMatchObject({ _tag: "ConnectionEnded" })
    })
  )

  live("takes its own connections down only, is replaced, and is told of in the log", () =>
    Effect.gen(function* () {
      const program = yield* start("--max-connections", "8")
      const { port } = program
      const peers = yield* connect(port, 8)
      const groups = yield* byWorker(port, peers)
      expect(groups.size).toBe(WORKERS)
      const before = yield* scrape(port)
      const [victim = 0] = childrenOf(program.pid)
      process.kill(victim, "SIGKILL")
      yield* program.log.logged("worker died", { pid: victim, signal: "SIGKILL", level: "error" })
      const left = yield* eventuallyLeft(port)
      const dead = [...groups].filter(([tag]) => tag !== left).flatMap(([, group]) => group)
      const alive = groups.get(left) ?? []
      expect([dead.length, alive.length]).toEqual([4, 4])
      for (const peer of dead) yield* peer.ended
      for (const peer of alive) {
        yield* peer.write(Frames.text("still here"))
        expect((yield* peer.nextMessage).text).toBe("still here")
      }
      const { pid } = yield* program.log.logged("worker replaced")
      expect(childrenOf(program.pid)).toContain(pid)
      expect(childrenOf(program.pid)).not.toContain(victim)
      // Its places are free, and what it counted is not forgotten.
      const more = yield* connect(port, 4)
      expect(yield* Effect.flip(RawClient.connect({ port }))).toMatchObject({ _tag: "ConnectFailed" })
      for (const peer of more) {
        yield* peer.write(Frames.text("hello"))
        yield* peer.nextMessage
      }
      const { connections, total } = yield* list(port)
      expect([total, new Set(connections.map(tagOf)).size]).toEqual([8, WORKERS])
      const after = yield* scrape(port)
      const opened = "answerback_connections_opened_total"
      expect(after.get(opened)).toBe((before.get(opened) ?? 0) + 4)
      expect(after.get("answerback_connections")).toBe(8)
    })
  )

  live("again and again, is replaced later and later, and the others serve on", () =>
    Effect.gen(function* () {
      const program = yield* start()
      for (let i = 0; i < 3; i++) {
        const victim = childrenOf(program.pid).at(-1) ?? 0
        process.kill(victim, "SIGKILL")
        yield* program.log.logged("worker died", { pid: victim })
        expect((yield* get({ port: program.port }, "/readyz")).body).toBe("ok")
        yield* eventually(
          "it is replaced",
          Effect.sync(
            () => program.log.lines.filter(({ message }) => message === "worker replaced").length > i
          )
        )
      }
    })
  )
})

/** Waits until the connections of one process only are left, and tells which. */
const eventuallyLeft = (port: number) =>
  Effect.gen(function* () {
    let tags = new Set<string>()
    yield* eventually(
      "its connections have gone",
      Effect.map(list(port), ({ connections }) => {
        tags = new Set(connections.map(tagOf))
        return tags.size === 1
      })
    )
    return [...tags][0] ?? ""
  })

describe("a worker that is told to end", () => {
  live("drains, is replaced, and what it has counted isn't forgotten", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const peers = yield* connect(program.port, 6)
      process.kill(childrenOf(program.pid)[0] ?? 0, "SIGTERM")
      const stopped = yield* Effect.filter(
        peers,
        (peer) =>
          Effect.isSuccess(
            Effect.timeout(peer.nextFrame, 1000).pipe(Effect.tap((frame) => peer.answerClose([frame])))
          ),
        { concurrency: "unbounded" }
      )
      expect(stopped).toHaveLength(3)
      yield* program.log.logged("worker replaced")
      const figures = yield* scrape(program.port)
      expect(figures.get("answerback_connections_opened_total")).toBe(6)
      expect(figures.get('answerback_connections_closed_total{reason="ServerShutdown"}')).toBe(3)
      expect(figures.get("answerback_connections")).toBe(3)
    })
  )
})

describe("a worker that hangs", () => {
  live("holds up nobody who comes, nor those of the others, and goes on when it can", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const { port } = program
      const peers = yield* connect(port, 10)
      const hung = childrenOf(program.pid)[0] ?? 0
      process.kill(hung, "SIGSTOP")
      // Some of them are given to the one that hangs, and then to the other.
      const more = yield* Effect.all(
        Array.from({ length: 10 }, () => RawClient.connect({ port, patience: 8000 })),
        { concurrency: "unbounded" }
      )
      for (const peer of more) {
        yield* peer.write(Frames.text("hello"))
        expect((yield* peer.nextMessage).text).toBe("hello")
      }
      const seen = yield* ask({ port }, "GET /connections")
      expect(seen.json).toMatchObject({ total: 15, unanswered: [`worker ${hung}`] })
      process.kill(hung, "SIGCONT")
      for (const peer of peers) {
        yield* peer.write(Frames.text("still here"))
        expect((yield* peer.nextMessage).text).toBe("still here")
      }
      for (const { total } of yield* asOften(list(port))) expect(total).toBe(20)
      for (const peer of more) {
        yield* peer.write(Frames.text("me too"))
        expect((yield* peer.nextMessage).text).toBe("me too")
      }
    })
  )
})

describe("workers that have no file descriptors left", () => {
  liveWithTool(noPrlimit, "are given connections again when they have some", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const workers = childrenOf(program.pid)
      for (const pid of workers) limitFiles(pid, 3)
      const early = yield* Effect.fork(
        Effect.either(RawClient.connect({ port: program.port, patience: 20_000 }))
      )
      // Longer than it takes until a connection is given to another.
      yield* Effect.sleep(5000)
      for (const pid of workers) limitFiles(pid, 20_000)
      const peer = yield* RawClient.connect({ port: program.port, patience: 5000 })
      yield* peer.write(Frames.text("hello"))
      expect((yield* peer.nextMessage).text).toBe("hello")
      expect(Either.isRight(yield* Fiber.join(early))).toBe(true)
    })
  )
})

describe("all workers, killed at once,", () => {
  live("are replaced on the same port", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const victims = childrenOf(program.pid)
      for (const pid of victims) process.kill(pid, "SIGKILL")
      for (const pid of victims) yield* program.log.logged("worker died", { pid })
      yield* eventually(
        "both are replaced",
        Effect.sync(
          () => program.log.lines.filter(({ message }) => message === "worker replaced").length === WORKERS
        )
      )
      yield* connect(program.port, 2 * WORKERS)
      const { connections } = yield* list(program.port)
      expect(new Set(connections.map(tagOf)).size).toBe(WORKERS)
    })
  )
})

describe("a signal", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    live(`${signal} to the primary drains all, and the program exits 0`, () =>
      Effect.gen(function* () {
        const program = yield* start("--drain-delay", "300ms")
        const workers = childrenOf(program.pid)
        const peers = yield* connect(program.port, 10)
        yield* program.signal(signal)
        yield* eventually(
          "none is ready",
          Effect.map(
            get({ port: program.port }, "/readyz"),
            ({ body, status }) => status === 503 && body === "draining"
          )
        )
        for (const peer of peers) {
          const frame = yield* peer.nextFrame
          expect(Frames.describe(frame)).toBe("close 1001 server shutting down")
          yield* peer.answerClose([frame])
        }
        expect(yield* program.exit).toEqual({ code: 0, signal: null })
        expect(workers.filter(isRunning)).toEqual([])
        expect(program.log.lines.filter(({ message }) => message === "connection closed")).toHaveLength(10)
        expect(program.log.lines.filter(({ message }) => message === "worker died")).toEqual([])
        expect(program.stderr()).toBe("")
      })
    )
  }

  live("to all of them at once, as from a terminal, drains, too", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const peers = yield* connect(program.port, 10)
      for (const pid of [program.pid, ...childrenOf(program.pid)]) process.kill(pid, "SIGINT")
      for (const peer of peers) {
        const frame = yield* peer.nextFrame
        expect(Frames.describe(frame)).toBe("close 1001 server shutting down")
        yield* peer.answerClose([frame])
      }
      expect(yield* program.exit).toEqual({ code: 0, signal: null })
    })
  )

  live("that is the second ends all at once", () =>
    Effect.gen(function* () {
      const program = yield* start("--drain-delay", "5s")
      const workers = childrenOf(program.pid)
      yield* connect(program.port, 4)
      yield* program.signal("SIGTERM")
      yield* eventually(
        "it drains",
        Effect.map(get({ port: program.port }, "/readyz"), ({ status }) => status === 503)
      )
      yield* program.signal("SIGTERM")
      expect(yield* program.exit).toEqual({ code: 143, signal: null })
      yield* eventually(
        "no worker is left",
        Effect.sync(() => !workers.some(isRunning))
      )
    })
  )

  live("that kills the primary ends the workers", () =>
    Effect.gen(function* () {
      const program = yield* start()
      const workers = childrenOf(program.pid)
      expect(workers).toHaveLength(WORKERS)
      yield* program.signal("SIGKILL")
      yield* eventually(
        "no worker is left",
        Effect.sync(() => !workers.some(isRunning))
      )
    })
  )

  live("while peers don't answer, ends within the drain timeout, for all together", () =>
    Effect.gen(function* () {
      const program = yield* start("--drain-timeout", "1s")
      yield* connect(program.port, 10)
      const { code, elapsed } = yield* Program.stop(program)
      expect(code).toBe(0)
      expect(elapsed).toBeGreaterThan(900)
      expect(elapsed).toBeLessThan(2500)
    })
  )
})

describe("what keeps workers from starting", () => {
  live("is told once, in one line, and the program ends with 1", () =>
    Effect.gen(function* () {
      const server = yield* Effect.acquireRelease(
        Effect.async<net.Server>((resume) => {
          const server = net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const bound = server.address()
      const port = typeof bound === "object" ? (bound?.port ?? 0) : 0
      const ended = yield* Program.run({
        args: ["--workers", "2", "--port", String(port)],
        without: ["port"]
      })
      expect(ended.code).toBe(1)
      expect(ended.stderr).toMatch(/^answerback: cannot listen on port \d+ of 127\.0\.0\.1: .*--port\n$/)
    })
  )

  liveWithTool(noOpenssl, "is no reason to give up when it keeps only one that is to replace another", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned
      const program = yield* start("--tls-cert", cert, "--tls-key", key)
      const [victim = 0, other = 0] = childrenOf(program.pid)
      yield* RawClient.connect({ port: program.port, tls: true })
      fs.renameSync(cert, `${cert}.away`)
      process.kill(victim, "SIGKILL")
      yield* program.log.logged("worker died", { pid: victim })
      const line = yield* program.log.logged("worker died", { exitCode: 1 })
      expect(line["problem"]).toMatch(/^cannot read the TLS certificate .*--tls-cert/)
      expect(isRunning(other)).toBe(true)
      yield* RawClient.connect({ port: program.port, tls: true })
      fs.renameSync(`${cert}.away`, cert)
      yield* program.log.logged("worker replaced")
      yield* Effect.replicateEffect(RawClient.connect({ port: program.port, tls: true }), WORKERS)
      const { json } = yield* ask({ port: program.port, tls: true }, "GET /connections")
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a page
      expect(new Set((json as SeenPage).connections.map(tagOf)).size).toBe(WORKERS)
    })
  )

  live("all of them, one after the other, is told with what came of it, and the program ends with 1", () =>
    Effect.gen(function* () {
      const file = path.join(yield* temporaryDirectory, "die.cjs")
      fs.writeFileSync(file, "if (process.env.ANSWERBACK_WORKER !== undefined) process.exit(9)")
      const ended = yield* Program.run({
        args: ["--workers", "2"],
        env: { NODE_OPTIONS: `--require ${file}` }
      })
      expect(ended.code).toBe(1)
      expect(ended.stderr).toBe(
        "answerback: no worker can be started: the last 5 ended before they listened (exit code 9)\n"
      )
    })
  )
})
