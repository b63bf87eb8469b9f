/**
 * A connection as a socket of the platform.
 */
import * as PlatformSocket from "@effect/platform/Socket"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FC from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Message from "../../src/protocol/Message.js"
import { StopReason } from "../../src/protocol/StopReason.js"
import { fromConnection } from "../../src/Socket.js"
import { begin, CLOSE_TIMEOUT, count, type Life, over } from "../support/life.js"
import type { MemoryTransport } from "../support/MemoryTransport.js"
import { settle, timeless } from "../support/timeless.js"

type Socket = PlatformSocket.Socket

/** A connection whose handler has a socket, and how that handler ended. */
const withSocket = <A, E>(
  handler: (socket: Socket) => Effect.Effect<A, E>,
  options?: Parameters<typeof fromConnection>[1],
  transport?: Parameters<typeof begin>[1]
) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<A, E>()
    const life = yield* begin(
      (connection) => Effect.intoDeferred(handler(fromConnection(connection, options)), ended),
      transport
    )
    yield* settle
    return { life, ended: Effect.either(Deferred.await(ended)) }
  })

const deliver = (transport: MemoryTransport, ...messages: ReadonlyArray<Message.Message>) => {
  for (const message of messages) transport.inbox.push(message)
  transport.inbox.wake()
}

const drain = (socket: Socket) => socket.runRaw(() => {})

const closed = (code: number, closeReason: string) =>
  Either.left(new PlatformSocket.SocketCloseError({ reason: "Close", code, closeReason }))

describe("what is read", () => {
  timeless("is a string where it is text and bytes where it is binary; bytes in both cases for run", () =>
    Effect.gen(function* () {
      for (const how of ["runRaw", "run"] as const) {
        const seen: Array<string | Uint8Array> = []
        const { life } = yield* withSocket((socket) => socket[how]((data) => void seen.push(data)))
        deliver(life.transport, Message.text("é"), Message.binary(Uint8Array.of(1, 2)))
        yield* settle
        const [text, bytes] = seen
        if (how === "runRaw") expect(text).toBe("é")
        else expect(Buffer.from(text ?? "").toString()).toBe("é")
        expect(Buffer.from(bytes ?? "")).toEqual(Buffer.of(1, 2))
        life.transport.peerCloses(1000)
        yield* over(life)
      }
    })
  )

  timeless("is handed over when what came before has been handled, and not read before that", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { life } = yield* withSocket((socket) =>
        socket.runRaw((data) =>
          Effect.gen(function* () {
            seen.push(`begin ${String(data)}`)
            yield* Effect.sleep(data === "1" ? 1000 : 10)
            seen.push(`end ${String(data)}`)
          })
        )
      )
      life.transport.deliver("1", "2")
      yield* settle
      life.transport.deliver("3")
      yield* TestClock.adjust(999)
      expect(seen).toEqual(["begin 1"])
      expect(life.transport.inbox.size).toBe(1)
      expect(count(life.connection).messagesIn).toBe(2)
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(20)
      expect(seen).toEqual(["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"])
      life.transport.peerCloses(1000)
      yield* over(life)
    })
  )

  it.effect.prop(
    "is handed over in order, once, however long each takes",
    [FC.array(FC.array(FC.nat({ max: 3 }), { minLength: 1, maxLength: 4 }), { maxLength: 5 })],
    ([reads]) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const { life } = yield* withSocket((socket) =>
          socket.runRaw((data) => {
            const [name, time] = String(data).split(" ")
            const noted = Effect.sync(() => seen.push(name ?? ""))
            if (time === "0") return void seen.push(name ?? "")
            if (time === "1") return noted
            return Effect.zipRight(time === "2" ? Effect.yieldNow() : Effect.sleep(1), noted)
          })
        )
        let sent = 0
        for (const read of reads) {
          life.transport.deliver(...read.map((time) => `${sent++} ${time}`))
          yield* settle
        }
        yield* TestClock.adjust(sent)
        expect(seen).toEqual(Array.from({ length: sent }, (_, i) => String(i)))
        life.transport.peerCloses(1000)
        yield* over(life)
      }).pipe(Effect.scoped),
    { fastCheck: { numRuns: 40 } }
  )

  timeless("comes after onOpen", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { life } = yield* withSocket((socket) =>
        socket.runRaw((data) => void seen.push(String(data)), {
          onOpen: Effect.zipRight(
            Effect.sleep(1000),
            Effect.sync(() => seen.push("open"))
          )
        })
      )
      life.transport.deliver("1")
      yield* TestClock.adjust(999)
      expect(seen).toEqual([])
      yield* TestClock.adjust(1)
      expect(seen).toEqual(["open", "1"])
      life.transport.peerCloses(1000)
      yield* over(life)
    })
  )

  timeless("and can't be handled ends run with that error, and with the handler the connection", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { ended, life } = yield* withSocket((socket) =>
        socket.runRaw((data) => {
          seen.push(String(data))
          return data === "2" ? Effect.fail("enough") : Effect.void
        })
      )
      life.transport.deliver("1", "2", "3")
      expect(yield* over(life)).toContain("close 1000")
      expect(yield* ended).toEqual(Either.left("enough"))
      expect(seen).toEqual(["1", "2"])
    })
  )

  timeless(
    "isn't any more when run is interrupted, which leaves the connection open, and to another run",
    () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const { life } = yield* withSocket((socket) =>
          Effect.zipRight(
            Effect.timeoutOption(
              socket.runRaw((data) => void seen.push(`first ${String(data)}`)),
              1000
            ),
            socket.runRaw((data) => void seen.push(`second ${String(data)}`))
          )
        )
        life.transport.deliver("1")
        yield* TestClock.adjust(1000)
        life.transport.deliver("2")
        yield* settle
        expect(seen).toEqual(["first 1", "second 2"])
        expect(life.trail).toEqual([])
        life.transport.peerCloses(1000)
        yield* over(life)
      })
  )
})

describe("run ends", () => {
  const endings: ReadonlyArray<
    readonly [string, (life: Life) => unknown, Either.Either<void, PlatformSocket.SocketError>]
  > = [
    ["well when the peer closes with 1000", ({ transport }) => transport.peerCloses(1000), Either.void],
    [
      "with the code and reason of the peer",
      ({ transport }) => transport.peerCloses(4001, "bye"),
      closed(4001, "bye")
    ],
    ["with 1001 when a page is left", ({ transport }) => transport.peerCloses(1001), closed(1001, "")],
    ["with 1005 after an empty Close frame", ({ transport }) => transport.peerCloses(), closed(1005, "")],
    ["well when TCP ends without a Close frame", ({ transport }) => transport.peerVanishes(), Either.void],
    [
      "with the code that the peer gets for a bad frame",
      ({ transport }) => transport.peerErrs(1002, "bad opcode"),
      closed(1002, "bad opcode")
    ],
    [
      "with the code of an operator's stop",
      ({ lifecycle }) => lifecycle.stop(StopReason.StopSignal({ code: 4000, reason: "enough" })),
      closed(4000, "enough")
    ],
    [
      "with the code of a shutdown",
      ({ lifecycle }) => lifecycle.stop(StopReason.ServerShutdown({ code: 1012 })),
      closed(1012, "server shutting down")
    ],
    [
      "with 3008 when nothing came for too long",
      ({ lifecycle }) => lifecycle.stop(StopReason.IdleTimeout()),
      closed(3008, "idle timeout")
    ]
  ]
  for (const [what, end, expected] of endings)
    timeless(what, () =>
      Effect.gen(function* () {
        const { ended, life } = yield* withSocket(drain)
        end(life)
        yield* over(life)
        expect(yield* ended).toEqual(expected)
      })
    )

  timeless("as closeCodeIsError says", () =>
    Effect.gen(function* () {
      for (const [code, isError] of [
        [1000, true],
        [4001, false]
      ] as const) {
        const { ended, life } = yield* withSocket(drain, { closeCodeIsError: (code) => code === 1000 })
        life.transport.peerCloses(code, "bye")
        yield* over(life)
        expect(yield* ended).toEqual(isError ? closed(code, "bye") : Either.void)
      }
    })
  )

  timeless("with what TCP ended without a Close frame for, if that is an error", () =>
    Effect.gen(function* () {
      const { ended, life } = yield* withSocket(drain, { closeCodeIsError: () => true })
      life.transport.peerVanishes()
      yield* over(life)
      expect(yield* ended).toEqual(closed(1006, "PeerVanished"))
    })
  )

  timeless("after what was read before a stop has been handled", () =>
    Effect.gen(function* () {
      const { ended, life } = yield* withSocket((socket) =>
        Effect.scoped(
          Effect.flatMap(socket.writer, (write) =>
            socket.runRaw((data) => Effect.delay(write(data), "1 second"))
          )
        )
      )
      life.transport.deliver("1", "2")
      yield* settle
      yield* life.connection.stop({ code: 4000, reason: "enough" })
      yield* TestClock.adjust("2 seconds")
      expect(yield* over(life)).toEqual([
        "stopping StopSignal",
        "write 1",
        "write 2",
        "close 4000 enough",
        "farewell StopSignal",
        "closed StopSignal"
      ])
      expect(yield* ended).toEqual(closed(4000, "enough"))
    })
  )

  timeless("with an interrupt when what it waits for takes longer than a stop leaves it", () =>
    Effect.gen(function* () {
      const { life } = yield* withSocket((socket) => socket.runRaw(() => Effect.never))
      life.transport.deliver("1")
      yield* settle
      life.transport.peerCloses(1000)
      yield* TestClock.adjust(CLOSE_TIMEOUT - 1)
      expect(life.trail).toEqual(["stopping PeerClosed"])
      yield* TestClock.adjust(1)
      yield* over(life)
    })
  )
})

describe("the writer", () => {
  const writing = <E>(
    use: (
      write: (
        chunk: Uint8Array | string | PlatformSocket.CloseEvent
      ) => Effect.Effect<void, PlatformSocket.SocketError>,
      socket: Socket
    ) => Effect.Effect<void, E>,
    transport?: Parameters<typeof begin>[1]
  ) =>
    withSocket(
      (socket) => Effect.scoped(Effect.flatMap(socket.writer, (write) => use(write, socket))),
      {},
      transport
    )

  timeless("sends strings as text and bytes as binary, before anything is run", () =>
    Effect.gen(function* () {
      const { ended, life } = yield* writing((write) =>
        Effect.zipRight(write("text"), write(Uint8Array.of(104, 105)))
      )
      expect((yield* over(life)).slice(0, 2)).toEqual(["write text", "write hi"])
      expect(yield* ended).toEqual(Either.void)
    })
  )

  timeless("waits while too much is buffered", () =>
    Effect.gen(function* () {
      const { life } = yield* writing((write) =>
        Effect.zipRight(Effect.sleep(1), Effect.forEach(["12345678901", "second"], write, { discard: true }))
      )
      life.transport.block()
      yield* TestClock.adjust(1)
      expect(life.transport.written).toEqual(["12345678901"])
      life.transport.unblock()
      yield* over(life)
      expect(life.transport.written).toEqual(["12345678901", "second"])
    })
  )

  timeless(
    "closes the connection at once when it is given a CloseEvent; what is written after it fails",
    () =>
      Effect.gen(function* () {
        const late: Array<unknown> = []
        const { ended, life } = yield* writing((write, socket) =>
          socket.runRaw((data) =>
            data === "close"
              ? Effect.zipRight(
                  write(new PlatformSocket.CloseEvent(4001, "done")),
                  Effect.map(Effect.flip(write("late")), (error) => late.push(error))
                )
              : write(data)
          )
        )
        life.transport.deliver("1", "close")
        life.transport.deliver("2")
        expect(yield* over(life)).toEqual([
          "write 1",
          "stopping StopSignal",
          "close 4001 done",
          "farewell StopSignal",
          "closed StopSignal"
        ])
        expect(yield* ended).toEqual(closed(4001, "done"))
        expect(late.map(String)).toEqual(["SocketError: Close: 4001: done"])
      })
  )

  timeless("closes with 1000 by default, which is a good end", () =>
    Effect.gen(function* () {
      const { ended, life } = yield* writing((write, socket) =>
        socket.runRaw(() => write(new PlatformSocket.CloseEvent()))
      )
      life.transport.deliver("1")
      expect(yield* over(life)).toContain("close 1000")
      expect(yield* ended).toEqual(Either.void)
    })
  )

  timeless("fails for a CloseEvent that can't be sent, and leaves the connection open", () =>
    Effect.gen(function* () {
      const errors: Array<PlatformSocket.SocketError> = []
      const { life } = yield* writing((write, socket) =>
        Effect.gen(function* () {
          for (const event of [
            new PlatformSocket.CloseEvent(1006),
            new PlatformSocket.CloseEvent(1000, "x".repeat(124))
          ])
            errors.push(yield* Effect.flip(write(event)))
          yield* socket.runRaw(write)
        })
      )
      expect(errors.map(({ reason }) => reason)).toEqual(["Write", "Write"])
      expect(String(errors[0] && "cause" in errors[0] ? errors[0].cause : "")).toContain("1006")
      life.transport.deliver("open")
      yield* settle
      expect(life.trail).toEqual(["write open"])
      life.transport.peerCloses(1000)
      yield* over(life)
    })
  )

  timeless("fails with the end of the connection when it is too late, and never waits", () =>
    Effect.gen(function* () {
      const { life } = yield* withSocket(drain)
      const write = yield* fromConnection(life.connection).writer
      life.transport.peerCloses(4002, "gone")
      yield* over(life)
      const error = yield* Effect.flip(write("late"))
      expect(String(error)).toBe("SocketError: Close: 4002: gone")
      // It is closed already: what was asked for is so.
      yield* write(new PlatformSocket.CloseEvent(1000))
    }).pipe(Effect.scoped)
  )

  timeless("and waits while the peer takes nothing is let go when the connection ends", () =>
    Effect.gen(function* () {
      let isLetGo = false
      const { life } = yield* writing((write) =>
        Effect.ensuring(
          Effect.zipRight(Effect.sleep(1), write("12345678901")),
          Effect.sync(() => {
            isLetGo = true
          })
        )
      )
      life.transport.block()
      yield* TestClock.adjust(1)
      expect(isLetGo).toBe(false)
      life.transport.socketCloses()
      yield* over(life)
      expect(isLetGo).toBe(true)
    })
  )
})

timeless("the platform's channel of a socket carries what comes and what goes, and ends as run does", () =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const { ended, life } = yield* withSocket((socket) =>
      Stream.make("one", "two").pipe(
        Stream.concat(Stream.never),
        Stream.pipeThroughChannelOrFail(PlatformSocket.toChannelString(socket)),
        Stream.runForEach((text) => Effect.sync(() => seen.push(text)))
      )
    )
    life.transport.deliver("three", "four")
    yield* settle
    expect(life.transport.written).toEqual(["one", "two"])
    expect(seen).toEqual(["three", "four"])
    life.transport.peerCloses(4001, "bye")
    yield* over(life)
    expect(yield* ended).toEqual(closed(4001, "bye"))
  })
)
