/**
 * Endpoints on servers of `node:http` and `node:https`, beside what the program does with them.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs/promises"
import * as http from "node:http"
import * as https from "node:https"
import type { AddressInfo } from "node:net"
import { describe, expect } from "vitest"
import { echo, Endpoint, Upgrader } from "../../src/index.js"
import * as Certificate from "../support/certificate.js"
import { eventually } from "../support/eventually.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { live } from "../support/live.js"
import * as RawClient from "../support/RawClient.js"
import { take, together } from "../support/session.js"
import { liveWithTool } from "../support/skip.js"

const listening = (server: http.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen({ host: "127.0.0.1", port: 0 }, () => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
        resume(Effect.succeed((server.address() as AddressInfo).port))
      })
    }),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

const echoes = { "/ws": Endpoint.make(echo) }

const attached = (server: http.Server, endpoints: Readonly<Record<string, Endpoint.Endpoint>> = echoes) =>
  Layer.build(Layer.provideMerge(Upgrader.layerNode(server, endpoints), Upgrader.layer()))

/** The head of the answer to an upgrade. */
const answer = (port: number, request: Http.RequestOptions) =>
  Effect.gen(function* () {
    const client = yield* RawClient.open({ port })
    yield* client.write(Http.request(request))
    return yield* client.responseHead
  })

describe("a server of node:http", () => {
  live("goes on with what is no upgrade, and answers upgrades to nowhere like plain requests", () =>
    Effect.gen(function* () {
      const server = http.createServer((request, response) => {
        response.writeHead(request.url === "/" ? 200 : 404).end("mine")
      })
      const port = yield* listening(server)
      yield* attached(server)
      expect(yield* answer(port, { path: "/", headers: { Upgrade: null, Connection: null } })).toMatchObject({
        status: 200
      })
      expect(yield* answer(port, { path: "/" })).toMatchObject({
        status: 200,
        headers: { connection: "close" }
      })
      expect(yield* answer(port, { path: "/nowhere" })).toMatchObject({ status: 404 })
      expect(yield* answer(port, { path: "/ws" })).toMatchObject({ status: 101 })
    })
  )

  live("leaves other upgrades to the program's own listener", () =>
    Effect.gen(function* () {
      const server = http.createServer((_, response) => void response.writeHead(404).end())
      server.on("upgrade", (request, socket) => {
        if (request.url === "/mine") socket.end("HTTP/1.1 299 Mine\r\n\r\n")
      })
      const port = yield* listening(server)
      yield* attached(server)
      expect(yield* answer(port, { path: "/mine" })).toMatchObject({ status: 299 })
      expect(yield* answer(port, { path: "/ws" })).toMatchObject({ status: 101 })
    })
  )

  live("has endpoints of several layers, and somebody answers for the paths that none has", () =>
    Effect.gen(function* () {
      const server = http.createServer((_, response) => void response.writeHead(404).end())
      const port = yield* listening(server)
      yield* attached(server, { "/one": Endpoint.make(echo) })
      yield* attached(server, { "/two": Endpoint.make(echo) })
      for (const [path, status] of [
        ["/one", 101],
        ["/two", 101],
        ["/three", 404]
      ] as const)
        expect(yield* answer(port, { path })).toMatchObject({ status })
    })
  )

  live("answers what was asked before the upgrade first", () =>
    Effect.gen(function* () {
      let finish: (() => void) | undefined
      const server = http.createServer((_, response) => {
        finish = () => response.end("first")
      })
      const port = yield* listening(server)
      yield* attached(server)
      const client = yield* RawClient.open({ port })
      const asked = Effect.async<void>((resume) => void server.once("upgrade", () => resume(Effect.void)))
      const plain = Http.request({ path: "/", headers: { Upgrade: null, Connection: null } })
      yield* Effect.zipRight(
        client.write(together(Buffer.from(plain + Http.request({ path: "/ws" })), Frames.text("x"))),
        asked,
        { concurrent: true }
      )
      finish?.()
      expect((yield* client.response).body).toBe("first")
      expect((yield* client.responseHead).status).toBe(101)
      expect(yield* take(client, 1)).toEqual(["text x"])
    })
  )
})

describe("a server that is guarded, where nobody is for upgrades any more", () => {
  /** Two requests in one packet, the second of which is an upgrade. */
  const pipelined =
    Http.request({ path: "/slow", headers: { Upgrade: null, Connection: null } }) +
    Http.request({ path: "/ws" })

  live("treats them as the plain requests that they are then, in their turn", () =>
    Effect.gen(function* () {
      let finish: (() => void) | undefined
      const server = Upgrader.guard(
        http.createServer((request, response) => {
          if (request.url === "/slow") finish = () => response.end("slow")
          else response.end("plain")
        })
      )
      const port = yield* listening(server)
      const client = yield* RawClient.open({ port })
      yield* client.write(pipelined)
      yield* eventually(
        "it is asked",
        Effect.sync(() => finish !== undefined)
      )
      finish?.()
      expect((yield* client.response).body).toBe("slow")
      expect((yield* client.response).body).toBe("plain")
    })
  )

  live(
    "tells them to come later where nobody is for requests either, and outlives those that are pipelined",
    () =>
      Effect.gen(function* () {
        const server = Upgrader.guard(http.createServer())
        const port = yield* listening(server)
        expect(yield* answer(port, { path: "/ws" })).toMatchObject({ status: 503 })
        const client = yield* RawClient.open({ port })
        yield* client.write(pipelined)
        yield* client.ended
      })
  )
})

describe("a server of node:https", () => {
  liveWithTool(
    Certificate.noOpenssl,
    "echoes, has the same origin as its pages, and resets the TCP connection below",
    () =>
      Effect.gen(function* () {
        const { cert, key } = yield* Certificate.selfSigned
        const [certPem, keyPem] = yield* Effect.promise(() =>
          Promise.all([fs.readFile(cert), fs.readFile(key)])
        )
        const server = https.createServer({ cert: certPem, key: keyPem })
        const port = yield* listening(server)
        yield* attached(server, { ...echoes, "/reset": Endpoint.make((connection) => connection.reset) })
        const headers = { Host: "example.com", Origin: "https://example.com" }
        const client = yield* RawClient.connect({ port, path: "/ws", tls: true, headers })
        yield* client.write(Frames.text("secret"))
        expect(yield* take(client, 1)).toEqual(["text secret"])
        const reset = yield* RawClient.connect({ port, path: "/reset", tls: true })
        expect(yield* reset.endedByKernel).toBe("reset")
      })
  )
})
