/**
 * The client of the other tests: what it is trusted with.
 */
import * as Effect from "effect/Effect"
import * as net from "node:net"
import { describe, expect, it } from "vitest"
import * as Deflate from "./deflate.js"
import * as Frames from "./frames.js"
import * as Http from "./http.js"
import { live } from "./live.js"
import * as RawClient from "./RawClient.js"

/** A TCP server that does what it is told with each connection. */
const tcpServer = (onConnection: (socket: net.Socket) => void) =>
  Effect.gen(function* () {
    const sockets = new Set<net.Socket>()
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      onConnection(socket)
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    const address = server.address()
    return address !== null && typeof address === "object" ? address.port : 0
  })

const unmasked = (opcode: number, payload: Frames.Payload) => Frames.frame({ opcode, payload, mask: false })

describe("frames", () => {
  it("are masked as in the example of RFC 6455 section 5.7", () => {
    const mask = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)
    expect(Frames.frame({ opcode: Frames.TEXT, payload: "Hello", mask }).toString("hex")).toBe(
      "818537fa213d7f9f4d5158"
    )
  })

  it("are read one byte at a time", () => {
    const payloads = [0, 1, 125, 126, 127, 300, 65536].map((size) => Buffer.alloc(size, size % 251))
    const parser = new Frames.FrameParser()
    const read: Array<Buffer> = []
    for (const byte of Buffer.concat(payloads.map((payload) => unmasked(Frames.BINARY, payload)))) {
      parser.push(Buffer.of(byte))
      const frame = parser.next()
      if (frame !== undefined) read.push(frame.payload)
    }
    expect(read).toEqual(payloads)
    expect(parser.rest).toHaveLength(0)
  })

  it("have a length that can be wrong", () => {
    const options = { opcode: Frames.BINARY, mask: false, lengthEncoding: 64 } as const
    expect(Frames.frame({ ...options, declaredLength: 2n ** 63n }).toString("hex")).toBe(
      "827f8000000000000000"
    )
    expect(Frames.frame({ ...options, payload: "a" }).toString("hex")).toBe("827f000000000000000161")
  })
})

describe("deflate", () => {
  it("agrees with the examples of RFC 7692 section 7.2.3", () => {
    const deflate = Deflate.deflater()
    expect(deflate(Buffer.from("Hello")).toString("hex")).toBe("f248cdc9c90700")
    expect(deflate(Buffer.from("Hello")).toString("hex")).toBe("f200110000")
    const inflate = Deflate.inflater()
    expect(inflate(Buffer.from("f248cdc9c90700", "hex")).toString()).toBe("Hello")
    expect(inflate(Buffer.from("f200110000", "hex")).toString()).toBe("Hello")
  })

  it("sees a reference that goes back further than the window", () => {
    const message = Buffer.concat(
      Array.from({ length: 2 }, () => Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * i) % 251)))
    )
    const wide = Deflate.deflater({ windowBits: 15 })(message)
    expect(Deflate.inflater({ windowBits: 15 })(wide)).toEqual(message)
    const random = Buffer.from(Array.from({ length: 600 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24))
    const far = Deflate.deflater({ windowBits: 15 })(Buffer.concat([random, random]))
    expect(() => Deflate.inflater({ windowBits: 9 })(far)).toThrow()
  })
})

describe("the raw client", () => {
  live("tells the end of TCP from a reset", () =>
    Effect.gen(function* () {
      const ends = yield* RawClient.open({ port: yield* tcpServer((socket) => void socket.end()) })
      expect(yield* ends.ended).toBe("fin")
      const port = yield* tcpServer((socket) => socket.once("data", () => void socket.resetAndDestroy()))
      const resets = yield* RawClient.open({ port })
      yield* resets.write("reset me")
      expect(yield* resets.ended).toBe("reset")
    })
  )

  live("keeps its own side open when the server ends TCP", () =>
    Effect.gen(function* () {
      let received = ""
      let isOver: (() => void) | undefined
      const port = yield* tcpServer((socket) => {
        socket.on("data", (bytes) => (received += bytes.toString()))
        socket.on("end", () => isOver?.())
        socket.end()
      })
      const client = yield* RawClient.open({ port })
      yield* client.ended
      yield* client.write("after the end")
      yield* Effect.async<void>((resume) => {
        isOver = () => resume(Effect.void)
        Effect.runSync(client.end)
      })
      expect(received).toBe("after the end")
    })
  )

  live("reads nothing while it is paused", () =>
    Effect.gen(function* () {
      const total = 64 * 1024 ** 2
      let socket: net.Socket | undefined
      const port = yield* tcpServer((accepted) => {
        socket = accepted
      })
      const client = yield* RawClient.open({ port })
      yield* client.write("the connection is accepted")
      yield* client.pause
      yield* Effect.async<void>((resume) => {
        setImmediate(() => resume(Effect.void))
      })
      const all = yield* Effect.async<boolean>((resume) => {
        // Far more than two kernel buffers hold.
        socket?.write(Buffer.alloc(total))
        // The kernel takes what it can at once; what is left waits for the client.
        setImmediate(() => setImmediate(() => resume(Effect.succeed(socket?.writableLength === 0))))
      })
      expect(all).toBe(false)
      socket?.end()
      yield* client.resume
      expect(yield* client.ended).toBe("fin")
    })
  )

  live("says what it was waiting for and what had come", () =>
    Effect.gen(function* () {
      const port = yield* tcpServer((socket) => {
        const accept = Http.acceptOf(Http.SAMPLE_KEY)
        socket.write(
          `HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
        )
        socket.write(unmasked(Frames.TEXT, "hello"))
        socket.write(Buffer.from("half"))
      })
      const headers = { "Sec-WebSocket-Key": Http.SAMPLE_KEY }
      const client = yield* RawClient.open({ port, patience: 50 })
      yield* client.write(Http.request({ headers }))
      expect((yield* client.responseHead).status).toBe(101)
      expect((yield* client.nextMessage).text).toBe("hello")
      const error = yield* Effect.flip(client.nextFrame)
      expect(error._tag).toBe("WaitedTooLong")
      expect(error.message).toMatch(/waited 50 ms for a frame: .*text hello.*4 bytes.*half.*TCP is open/)
    })
  )

  live("fails when TCP ends first", () =>
    Effect.gen(function* () {
      const client = yield* RawClient.open({
        port: yield* tcpServer((socket) => void socket.end("HTTP/1.1 2"))
      })
      const error = yield* Effect.flip(client.responseHead)
      expect(error._tag).toBe("ConnectionEnded")
      expect(error.message).toMatch(/TCP ended before the head of an HTTP response: .*HTTP\/1.1 2/)
    })
  )

  live("doesn't take a masked frame from a server", () =>
    Effect.gen(function* () {
      const port = yield* tcpServer((socket) => {
        const head = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        socket.write(Buffer.concat([Buffer.from(head), Frames.text("masked")]))
      })
      const client = yield* RawClient.open({ port })
      expect((yield* client.responseHead).status).toBe(101)
      const defect = yield* Effect.catchAllDefect(client.nextFrame, (defect) =>
        Effect.succeed(String(defect))
      )
      expect(defect).toMatch(/must not mask/)
    })
  )
})
