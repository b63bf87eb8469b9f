/**
 * Spans of a server in a program that traces: what its tracer gets, and what waits for a collector.
 */
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestContext from "effect/TestContext"
import * as Tracer from "effect/Tracer"
import { describe, expect, it } from "vitest"
import { echo, type Handler, WebSocketServer } from "../../src/index.js"
import * as Logging from "../../src/telemetry/Logging.js"
import * as Otlp from "../../src/telemetry/Otlp.js"
import * as Collector from "../support/Collector.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import { get } from "../support/get.js"
import { live } from "../support/live.js"
import * as Log from "../support/Log.js"
import * as RawClient from "../support/RawClient.js"
import { serverOf } from "../support/server.js"
import { lastWords } from "../support/session.js"

/** A tracer of a program's own: spans as Effect makes them, which it keeps. */
const recording = () => {
  const spans: Array<Tracer.Span> = []
  const usual = Context.get(DefaultServices.liveServices, Tracer.Tracer)
  const tracer = Tracer.make({
    ...usual,
    span: (...facts) => {
      const span = usual.span(...facts)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.setTracer(tracer) }
}

const exitOf = (span: Tracer.Span | undefined): Exit.Exit<unknown, unknown> | undefined =>
  span?.status._tag === "Ended" ? span.status.exit : undefined

/** Answers in capitals, in a span of its own; fails when it is told to. */
const shout: Handler<Error> = (connection) =>
  Stream.runForEach(connection.messages, ({ text }) =>
    text === "fail"
      ? Effect.fail(new Error("told to"))
      : Effect.withSpan(connection.send(text.toUpperCase()), "shout", { attributes: { text } })
  )

const server = WebSocketServer.layer(shout, { host: "127.0.0.1", port: 0 })

/** Says something, and waits until the connection has ended. */
const say = (port: number, ...texts: ReadonlyArray<string>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawClient.connect({ port })
      for (const text of texts) yield* peer.write(Frames.text(text))
      if (!texts.includes("fail")) yield* peer.write(Frames.close(1000))
      yield* lastWords(peer)
    })
  )

describe("a program with a tracer of its own", () => {
  live("gets a span a connection, with the handshake's and the handler's as its children", () =>
    Effect.gen(function* () {
      const { layer, spans } = recording()
      const { logged, port } = yield* serverOf(Layer.provide(server, layer))
      yield* say(port, "hello", "world")
      const line = yield* logged("connection closed", { reason: "PeerClosed" })
      const [connection, ...children] = spans
      expect(connection).toMatchObject({ name: "connection", kind: "server" })
      expect(connection?.parent).toEqual(Option.none())
      expect(exitOf(connection)).toEqual(Exit.void)
      expect(Object.fromEntries(connection?.attributes ?? [])).toMatchObject({
        "answerback.connection": line["connection"],
        "answerback.reason": "PeerClosed",
        "answerback.messages_in": 2
      })
      expect(children.map(({ name }) => name)).toEqual(["handshake", "shout", "shout"])
      for (const child of children) {
        expect(Option.getOrUndefined(child.parent)).toBe(connection)
        expect(exitOf(child)).toEqual(Exit.void)
      }
    })
  )

  live("gets what the handler failed with", () =>
    Effect.gen(function* () {
      const { layer, spans } = recording()
      const { logged, port } = yield* serverOf(Layer.provide(server, layer))
      yield* say(port, "fail")
      yield* logged("connection closed", { reason: "HandlerFailed" })
      const exit = exitOf(spans.find(({ name }) => name === "connection"))
      expect(exit !== undefined && Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({
        message: "told to"
      })
    })
  )

  live("gets a span a request, but for those that machines make again and again", () =>
    Effect.gen(function* () {
      const { layer, spans } = recording()
      const { port } = yield* serverOf(Layer.provide(server, layer))
      for (const path of ["/livez", "/readyz", "/metrics", "/connections", "/nowhere"])
        yield* get({ port }, path)
      const requests = spans.filter(({ name }) => name === "http.server GET")
      expect(requests.map((span) => span.attributes.get("url.path"))).toEqual(["/connections", "/nowhere"])
      expect(requests.map((span) => span.attributes.get("http.response.status_code"))).toEqual([200, 404])
    })
  )

  live("gets nothing where it has switched tracing off", () =>
    Effect.gen(function* () {
      const { layer, spans } = recording()
      const { port } = yield* serverOf(Layer.provide(server, layer))
      yield* say(port, "hello")
      yield* get({ port }, "/connections")
      expect(spans).toEqual([])
    }).pipe(Effect.withTracerEnabled(false))
  )

  for (const when of ["begins", "has an event", "ends"] as const) {
    live(`that fails when a span ${when} changes nothing for a peer`, () =>
      Effect.gen(function* () {
        let failures = 0
        const fail = (): never => {
          failures++
          throw new Error("the tracer has failed")
        }
        const usual = Context.get(DefaultServices.liveServices, Tracer.Tracer)
        const tracer = Tracer.make({
          ...usual,
          span: (...facts) => {
            if (when === "begins") return fail()
            const span = usual.span(...facts)
            if (facts[0] === "connection") span[when === "ends" ? "end" : "event"] = fail
            return span
          }
        })
        const echoing = WebSocketServer.layer(echo, { host: "127.0.0.1", port: 0 })
        const { logged, port } = yield* serverOf(Layer.provide(echoing, Layer.setTracer(tracer)))
        for (let i = 0; i < 2; i++) {
          yield* say(port, "hello")
          yield* logged("connection closed", { reason: "PeerClosed", messagesOut: 1 })
        }
        expect(failures).toBeGreaterThan(0)
      })
    )
  }

  live("that exports gets them to its collector", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      const tracing = OtlpTracer.layer({
        url: `http://127.0.0.1:${collector.port}/v1/traces`,
        resource: { serviceName: "shouter" }
      }).pipe(Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]))
      const { port, shutdown } = yield* serverOf(Layer.provide(server, tracing))
      yield* say(port, "hello")
      // The server is gone before what it needs.
      yield* shutdown
      expect(collector.problems).toEqual([])
      expect(collector.resources).toMatchObject([{ "service.name": "shouter" }])
      const named = (name: string) => collector.spans.find((span) => span.name === name)
      for (const child of ["handshake", "shout"]) {
        expect(named(child)?.parentSpanId).toBe(named("connection")?.spanId)
        expect(named(child)?.traceId).toBe(named("connection")?.traceId)
      }
    })
  )
})

describe("spans for a collector", () => {
  const MOST = 1024 ** 2
  const BATCH = 1000

  const exporting = (collector: Collector.Collector) => {
    const log = Log.make()
    const layer = Layer.provide(
      Otlp.layer({
        url: new URL(`http://127.0.0.1:${collector.port}`),
        timeLeft: () => 0,
        mostWaiting: MOST
      }),
      Logging.layer({ format: "json", level: "debug", isColoured: false, write: log.write })
    )
    return { log, layer }
  }
  const bytesOf = ({ requests }: Collector.Collector): number =>
    requests.reduce((sum, { bytes, path }) => sum + (path === "/v1/traces" ? bytes : 0), 0)
  const batch = Effect.replicateEffect(Effect.withSpan(Effect.void, "x"), BATCH, { discard: true })

  live("that doesn't answer wait in so much memory and no more, and what comes then is dropped", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make(() => undefined)
      const { layer, log } = exporting(collector)
      yield* Effect.gen(function* () {
        yield* Effect.repeatN(batch, 19)
        const line = yield* log.logged(
          "traces and metrics can't be exported: they are dropped until they can"
        )
        expect(line).toMatchObject({ level: "warn", problem: `more than ${MOST} bytes wait for an answer` })
        // No time passes here: what it gave up it doesn't keep, to try it once more.
        yield* log.logged("Disabling OtlpTracer for 60 seconds")
        yield* eventually(
          "what waits has come",
          Effect.sync(() => bytesOf(collector) > MOST / 2)
        )
      }).pipe(Effect.provide(layer), Effect.provide(TestContext.TestContext))
      expect(bytesOf(collector)).toBeLessThanOrEqual(MOST)
      expect(log.lines.filter(({ level }) => level === "warn")).toHaveLength(1)
    })
  )

  live("that answers all go out, however many there are in the course of time", () =>
    Effect.gen(function* () {
      const collector = yield* Collector.make()
      const { layer } = exporting(collector)
      yield* Effect.gen(function* () {
        for (let sent = BATCH; sent <= 8 * BATCH; sent += BATCH) {
          yield* batch
          yield* eventually(
            `${sent} spans have come`,
            Effect.sync(() => collector.spans.length === sent)
          )
        }
      }).pipe(Effect.provide(layer))
      expect(bytesOf(collector)).toBeGreaterThan(2 * MOST)
    })
  )

  it("have room for those of all connections that there may be, and bounds where there may be any number", () => {
    expect(Otlp.roomFor(100_000)).toBeGreaterThan(100_000 * 2048)
    expect(Otlp.roomFor(Number.POSITIVE_INFINITY)).toBe(Otlp.roomFor(10_000))
  })
})
