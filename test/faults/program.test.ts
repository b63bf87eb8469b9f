/**
 * A program of its own whose connections go wrong as it says, with what the package exports and nothing else.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import {
  type Connection,
  ConnectionNotFound,
  FaultPlan,
  Faults,
  type ServerOptions,
  WebSocketServer
} from "../../src/index.js"
import { speaker } from "../support/faultyPeer.js"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { lastWords, PATIENT } from "../support/session.js"
import { serverOf, serverWith } from "../support/server.js"

/** Greets, and then answers in capitals. */
const shout = (connection: Connection) =>
  Effect.zipRight(
    connection.send("HELLO"),
    Stream.runForEach(connection.messages, ({ text }) => connection.send(text.toUpperCase()))
  )

const options: ServerOptions = { ...PATIENT, host: "127.0.0.1", port: 0 }

const connect = (port: number, path: string) => RawClient.connect({ port, path })

describe("a program", () => {
  live("lets go wrong what its plan says, with a handler of its own", () =>
    Effect.gen(function* () {
      const faults = Faults.layer(({ target }) =>
        target.endsWith("bad") ? FaultPlan.make({ fault: "close", code: 4001, after: "3msg" }) : undefined
      )
      const server = yield* serverOf(WebSocketServer.layer(shout, options).pipe(Layer.provide(faults)))
      const bad = yield* connect(server.port, "/echo?bad")
      const good = yield* connect(server.port, "/echo?good")
      for (const peer of [bad, good]) yield* peer.write(Buffer.concat(["a", "b", "c"].map(Frames.text)))
      expect((yield* lastWords(bad)).frames.map(Frames.describe)).toEqual([
        "text HELLO",
        "text A",
        "text B",
        "close 4001"
      ])
      const texts = yield* Effect.replicateEffect(good.nextMessage, 4)
      expect(texts.map(({ text }) => text)).toEqual(["HELLO", "A", "B", "C"])
      yield* server.logged("connection closed", { reason: "Fault", fault: "close", code: 4001 })
    })
  )

  live("refuses handshakes, or lets them hang", () =>
    Effect.gen(function* () {
      const faults = Faults.layer(({ headers }) =>
        headers["x-fault"] === "hang"
          ? FaultPlan.make({ fault: "hang" })
          : FaultPlan.make({ fault: "refuse", status: 429, "retry-after": 3 })
      )
      const server = yield* serverOf(
        WebSocketServer.layer(shout, { ...options, handshakeTimeout: 300 }).pipe(Layer.provide(faults))
      )
      const refused = yield* Effect.flip(connect(server.port, "/echo"))
      expect(refused).toMatchObject({ response: { status: 429, headers: { "retry-after": "3" } } })
      const hung = yield* Effect.flip(
        RawClient.connect({ port: server.port, headers: { "X-Fault": "hang" } })
      )
      expect(hung).toMatchObject({ _tag: "ConnectionEnded" })
    })
  )

  live("lets its handler's connections go wrong later, by their ids", () =>
    Effect.gen(function* () {
      const server = yield* serverOf(
        WebSocketServer.layer(
          (connection) =>
            Stream.runForEach(connection.messages, ({ text }) =>
              Effect.zipRight(
                connection.send(text),
                Effect.when(
                  Effect.flatMap(Faults.Faults, ({ apply }) =>
                    Effect.orDie(apply(connection.id, FaultPlan.make({ fault: "duplicate", rate: 1 })))
                  ),
                  () => text === "twice"
                )
              )
            ),
          options
        ).pipe(Layer.provide(Faults.layer()))
      )
      const peer = yield* connect(server.port, "/echo")
      for (const text of ["a", "twice", "b"]) yield* peer.write(Frames.text(text))
      const texts = yield* Effect.replicateEffect(peer.nextMessage, 4)
      expect(texts.map(({ text }) => text)).toEqual(["a", "twice", "b", "b"])
    })
  )

  live("stalls a connection and lets it go on, and is told of one that isn't there", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Faults.layer())
      const faults = Layer.succeedContext(context)
      const apply = (id: string, plan: FaultPlan.ConnectionPlan) =>
        Effect.provide(
          Effect.flatMap(Faults.Faults, (faults) => faults.apply(id, plan)),
          context
        )
      const server = yield* serverOf(WebSocketServer.layer(shout, options).pipe(Layer.provide(faults)))
      const peer = yield* connect(server.port, "/echo")
      expect((yield* peer.nextMessage).text).toBe("HELLO")
      const [connection] = yield* server.connections.list
      const id = connection?.id ?? ""
      yield* apply(id, FaultPlan.make({ fault: "stall" }))
      expect(yield* server.connections.get(id)).toMatchObject({ state: "stalled" })
      yield* peer.write(Buffer.concat([Frames.text("a"), Frames.ping("b")]))
      yield* apply(id, FaultPlan.make({ fault: "drop", rate: 0 }))
      const heard = yield* Effect.replicateEffect(peer.nextFrame, 2)
      expect(heard.map(Frames.describe).sort()).toEqual(["pong b", "text A"])
      yield* apply(id, FaultPlan.make({ fault: "reset" }))
      expect(yield* peer.endedByKernel).toBe("reset")
      yield* server.logged("connection closed", { reason: "Fault", fault: "reset" })
      const error = yield* Effect.flip(apply(id, FaultPlan.make({ fault: "reset" })))
      expect(error).toEqual(new ConnectionNotFound({ id }))
    })
  )

  live("that fails to plan a fault refuses that handshake, says so in its log, and serves the others", () =>
    Effect.gen(function* () {
      const faults = Faults.layer(({ headers }) => {
        if (headers["x-fault"] !== undefined) throw new Error("no such fault")
        return undefined
      })
      const server = yield* serverOf(WebSocketServer.layer(shout, options).pipe(Layer.provide(faults)))
      const refused = yield* Effect.flip(
        RawClient.connect({ port: server.port, headers: { "X-Fault": "what?" } })
      )
      expect(refused).toMatchObject({ response: { status: 500 } })
      const line = yield* server.logged("fault plan failed")
      expect(line).toMatchObject({ level: "error" })
      expect(JSON.stringify(line)).toContain("no such fault")
      const peer = yield* connect(server.port, "/echo")
      expect((yield* peer.nextMessage).text).toBe("HELLO")
    })
  )

  live("has no faults in its URLs unless it says so", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(shout, PATIENT)
      const { peer } = yield* speaker(server.port, "fault=drop&rate=1")
      expect((yield* peer.nextMessage).text).toBe("HELLO")
      const asked = yield* serverOf(
        WebSocketServer.layer(shout, options).pipe(Layer.provide(Faults.layerUrl()))
      )
      const doubled = yield* speaker(asked.port, "fault=duplicate&rate=1")
      const texts = yield* Effect.replicateEffect(doubled.peer.nextMessage, 2)
      expect(texts.map(({ text }) => text)).toEqual(["HELLO", "HELLO"])
    })
  )
})
