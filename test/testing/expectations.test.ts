/**
 * What a test is told whose expectation of a connection fails.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import { Connections, echo, StopReason, WebSocketServer } from "../../src/index.js"
import * as Testing from "../../src/testing/Testing.js"

/** What a failure says, with what differs from run to run left out. */
const said = <A, R>(effect: Effect.Effect<A, { readonly message: string }, R>): Effect.Effect<string, A, R> =>
  Effect.map(Effect.flip(effect), ({ message }) =>
    `\n${message}`.replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
  )

const quiet = Logger.withMinimumLogLevel(LogLevel.None)

const broken = () => Effect.fail(new RangeError("no such room"))

describe("an expectation that fails says what was expected, what was seen, and what had happened:", () => {
  it.scoped("another reason", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo, { target: "/chat?room=1" })
      yield* peer.send("hello", new Uint8Array([1, 2, 255]))
      yield* peer.receive
      yield* peer.stop({ code: 4000, reason: "bye" })
      expect(yield* said(Testing.expectStop(peer, "SlowConsumer"))).toMatchInlineSnapshot(`
        "
        expected the connection to end with SlowConsumer
        but saw StopSignal 4000 "bye"
          peer: text "hello"
          peer: binary 0102ff
          server: text "hello"
          server: binary 0102ff
          server: close 4000 "bye"
          peer: close 4000 "bye"
          server: end of TCP"
      `)
    })
  )

  it.scoped("the same reason, and other words", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.close(4000, "by")
      const expected = StopReason.PeerClosed({ code: 4000, reason: "bye" })
      expect(yield* said(Testing.expectStop(peer, expected))).toMatchInlineSnapshot(`
        "
        expected the connection to end with PeerClosed 4000 "bye"
        but saw PeerClosed 4000 "by"
          peer: close 4000 "by"
          server: close 4000 "by"
          server: end of TCP"
      `)
    })
  )

  it.scoped("a handler that failed, whose error is the cause", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(broken)
      expect(yield* said(Testing.expectStop(peer, "PeerClosed"))).toMatchInlineSnapshot(`
        "
        expected the connection to end with PeerClosed
        but saw HandlerFailed: RangeError: no such room
          server: close 1011 "internal error"
          peer: close 1011 "internal error"
          server: end of TCP"
      `)
      const failure = yield* Effect.flip(Testing.expectStop(peer, "PeerClosed"))
      expect(failure.cause).toBeInstanceOf(RangeError)
    })
  )

  it.scoped("no message, since the connection ended", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(broken)
      expect(yield* said(peer.receive)).toMatchInlineSnapshot(`
        "
        expected a message
        but saw the end of the connection: HandlerFailed: RangeError: no such room
          server: close 1011 "internal error""
      `)
      expect((yield* Effect.flip(peer.receive)).cause).toBeInstanceOf(RangeError)
    })
  )

  it.scoped("no message, since the peer has gone", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.vanish("reset")
      expect(yield* said(peer.receive)).toMatchInlineSnapshot(`
        "
        expected a message
        but saw the end of the connection: PeerVanished
          peer: reset of TCP"
      `)
    })
  )

  it.scoped("no connection to send on", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.close()
      expect(yield* said(peer.send("late"))).toMatchInlineSnapshot(`
        "
        expected a connection that the peer can send on
        but saw the end of the connection: PeerClosed 1005
          peer: close 1005"
      `)
    })
  )

  it.scoped("no pong", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect((connection) => Stream.runDrain(connection.messages))
      yield* peer.stop()
      expect(yield* said(peer.ping("here?"))).toMatchInlineSnapshot(`
        "
        expected a pong
        but saw the end of the connection: StopSignal 1001 "connection interrupted"
          peer: ping "here?"
          server: close 1001 "connection interrupted""
      `)
    })
  )

  it.scoped("long messages are shortened", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      yield* peer.send("x".repeat(1000), new Uint8Array(1000))
      yield* peer.stop()
      expect(yield* said(Testing.expectStop(peer, "IdleTimeout"))).toMatchInlineSnapshot(`
        "
        expected the connection to end with IdleTimeout
        but saw StopSignal 1001 "connection interrupted"
          peer: text "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… (1000 bytes)
          peer: binary 000000000000000000000000000000000000000000000000000000000000… (1000 bytes)
          server: text "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… (1000 bytes)
          server: binary 000000000000000000000000000000000000000000000000000000000000… (1000 bytes)
          server: close 1001 "connection interrupted"
          peer: close 1001 "connection interrupted"
          server: end of TCP"
      `)
    })
  )

  it.scoped("a Close frame that can't be sent", () =>
    Effect.gen(function* () {
      const peer = yield* Testing.connect(echo)
      expect(yield* said(peer.close(1006))).toMatchInlineSnapshot(`
        "
        close code 1006 can't be sent: accepted is 1000-1003, 1007-1014 or 3000-4999 (RFC 6455 section 7.4)"
      `)
    })
  )

  it.scopedLive("on a socket", () =>
    Effect.gen(function* () {
      const { webSocketUrl } = yield* WebSocketServer.WebSocketServer
      const client = yield* Testing.client(webSocketUrl)
      yield* client.send("hello")
      yield* client.receive
      yield* client.close(1000)
      expect(yield* said(Testing.expectStop(client, "ServerShutdown"))).toMatchInlineSnapshot(`
        "
        expected the connection to end with ServerShutdown
        but saw PeerClosed 1000
          client: open to ws://127.0.0.1:PORT/echo, from 127.0.0.1:PORT
          client: text "hello"
          server: text "hello"
          client: close 1000
          server: close 1000
          connection: opened by 127.0.0.1:PORT, for /echo
          connection: stopping: PeerClosed 1000, after 1 messages in and 1 out
          connection: closed: PeerClosed 1000, code 1000"
      `)
      expect(yield* said(client.receive)).toMatchInlineSnapshot(`
        "
        expected a message
        but saw the end of the connection: close 1000
          client: open to ws://127.0.0.1:PORT/echo, from 127.0.0.1:PORT
          client: text "hello"
          server: text "hello"
          client: close 1000
          server: close 1000"
      `)
    }).pipe(Effect.provide(Testing.layerServer(echo)), quiet)
  )

  it.scopedLive("a connection that never was", () =>
    Effect.gen(function* () {
      const connections = yield* Connections
      expect(yield* said(Testing.expectStop(connections, "one", "PeerClosed"))).toMatchInlineSnapshot(`
        "
        expected connection one to end with PeerClosed
        but saw that this server never had it"
      `)
    }).pipe(Effect.provide(Testing.layerServer(echo)), quiet)
  )

  it.scopedLive("a connection that nobody had followed", () =>
    Effect.gen(function* () {
      const connections = yield* Connections
      expect(yield* said(Testing.expectStop(connections, "one", "PeerClosed"))).toMatchInlineSnapshot(`
        "
        expected connection one to end with PeerClosed
        but saw none that is open: how it had ended before is not known of this server, as it is of those of Testing.layerServer"
      `)
    }).pipe(Effect.provide(WebSocketServer.layer(echo, { host: "127.0.0.1", port: 0 })), quiet)
  )

  it.scopedLive("a client of another server", () =>
    Effect.gen(function* () {
      const here = yield* Layer.build(Testing.layerServer(echo))
      const { webSocketUrl } = yield* WebSocketServer.WebSocketServer
      const client = yield* Testing.client(webSocketUrl)
      const failing = Effect.provide(Testing.expectStop(client, "PeerClosed"), here)
      expect(yield* said(failing)).toMatchInlineSnapshot(`
        "
        expected the connection of 127.0.0.1:PORT to end with PeerClosed
        but saw no connection from there at this server
          client: open to ws://127.0.0.1:PORT/echo, from 127.0.0.1:PORT"
      `)
    }).pipe(Effect.provide(Testing.layerServer(echo)), quiet)
  )
})
