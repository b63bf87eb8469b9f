/**
 * The closing handshake and its codes (RFC 6455 sections 5.5.1 and 7).
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import { expectClose, expectFailure, session, together } from "../support/session.js"

const { CLOSE } = Frames

/** 123 bytes: all that a control frame has room for beside the code. */
const LONGEST_REASON = "ä".repeat(61) + "!"

describe("7.4: a close code that may be sent comes back", () => {
  const valid = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3008, 3999, 4000,
    4001, 4500, 4999
  ]
  for (const code of valid) {
    live(`7.4: ${code}`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(Frames.close(code, "bye"))
        yield* expectClose(peer, code)
      })
    )
  }
})

describe("7.4: a close code that may not be sent is answered with 1002", () => {
  const invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 10_000, 65_535]
  for (const code of invalid) {
    live(`7.4: ${code}`, () =>
      Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.close(code, "bye"), 1002))
    )
  }
})

describe("5.5.1: the payload of a Close frame", () => {
  live("5.5.1: none: it is answered with none", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(Frames.close())
      const { frames } = yield* peer.allUntilEnd
      expect(frames).toMatchObject([{ opcode: CLOSE, fin: true, payload: Buffer.alloc(0) }])
    })
  )

  live("5.5.1: a single byte is half a code: 1002", () =>
    Effect.flatMap(session(), (peer) =>
      expectFailure(peer, Frames.frame({ opcode: CLOSE, payload: Uint8Array.of(3) }), 1002)
    )
  )

  live("5.5.1: a code without a reason", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(Frames.close(1000))
      expect(yield* expectClose(peer, 1000)).toBe("")
    })
  )

  for (const reason of ["bye", "", "👋 до свидания", "\u0000", LONGEST_REASON]) {
    const size = Buffer.byteLength(reason)
    live(`5.5.1: a reason of ${size} bytes: if the answer has a reason at all, it is that one`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(Frames.close(1000, reason))
        expect(["", reason]).toContain(yield* expectClose(peer, 1000))
      })
    )
  }

  live("5.5: a reason of 124 bytes makes a control frame of 126: 1002", () =>
    Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.close(1000, `${LONGEST_REASON}.`), 1002))
  )

  const notUtf8: ReadonlyArray<readonly [string, string]> = [
    ["a byte that is never in UTF-8", "ff"],
    ["a continuation byte alone", "80"],
    ["a character that is cut off", "e282"],
    ["a surrogate", "eda080"],
    ["an overlong character", "c0af"],
    ["a code point over U+10FFFF", "f4908080"],
    ["good text with a bad byte at its end", "476f6f64ff"]
  ]
  for (const [name, bytes] of notUtf8) {
    live(`8.1: a reason with ${name}: 1007`, () =>
      Effect.flatMap(session(), (peer) =>
        expectFailure(peer, Frames.close(1000, Buffer.from(bytes, "hex")), 1007)
      )
    )
  }

  live("7.4: a bad code with a bad reason: 1002, since the code comes first", () =>
    Effect.flatMap(session(), (peer) => expectFailure(peer, Frames.close(999, Uint8Array.of(0xff)), 1002))
  )

  live("5.5.1: that comes one byte in a TCP segment", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.writeChunked(Frames.close(4321, "slowly"), [1])
      yield* expectClose(peer, 4321)
    })
  )
})

describe("5.5.1: after a Close frame", () => {
  const late: ReadonlyArray<readonly [string, Buffer]> = [
    ["a message", Frames.text("late")],
    ["a ping", Frames.ping("late")],
    ["another Close frame", Frames.close(1001)],
    ["a frame with a reserved opcode", Frames.frame({ opcode: 3 })],
    ["text that is no UTF-8", Frames.text(Uint8Array.of(0xff))],
    ["a message that is too big", Frames.frame({ opcode: 2, declaredLength: 2 ** 40 })],
    ["half a header", Frames.text("late").subarray(0, 1)],
    ["bytes that are no frame", Buffer.from("GET / HTTP/1.1\r\n\r\n")]
  ]
  for (const [name, bytes] of late) {
    live(`5.5.1: ${name} in the same TCP segment is ignored`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        yield* peer.write(together(Frames.text("before"), Frames.close(1000), bytes))
        yield* expectClose(peer, 1000, ["text before"])
      })
    )
    live(`5.5.1: ${name} in a later TCP segment is ignored`, () =>
      Effect.gen(function* () {
        const peer = yield* session()
        const close = Frames.close(1000)
        yield* peer.writeChunked(together(close, bytes), [close.length, bytes.length])
        yield* expectClose(peer, 1000)
      })
    )
  }
})

describe("7.1.1: closing TCP", () => {
  live("7.1.1: the server ends TCP first, while the client has its side still open", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(Frames.close(1000))
      // The client has not ended its side: the FIN that this waits for can't be an answer to one.
      expect(yield* peer.ended).toBe("fin")
      yield* expectClose(peer, 1000)
      yield* peer.end
    })
  )

  live("7.1.7: so it does when it fails the connection", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.write(Frames.frame({ opcode: 3 }))
      expect(yield* peer.ended).toBe("fin")
      yield* expectClose(peer, 1002)
      yield* peer.end
    })
  )

  live("7.1.7: a client that goes on sending after the connection has failed is not answered", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      const bad = Frames.frame({ opcode: 3 })
      const late = together(Frames.text("late"), Frames.ping("late"), Frames.close(1000))
      yield* peer.writeChunked(together(bad, late), [bad.length, late.length])
      yield* expectClose(peer, 1002)
    })
  )

  live("7.2.1: a client that ends TCP without a Close frame gets none either", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.end
      const { end, frames } = yield* peer.allUntilEnd
      expect(frames).toEqual([])
      expect(end).toBe("fin")
    })
  )

  live("7.1.1: a Close frame and the end of TCP in one go are still answered with a Close frame", () =>
    Effect.gen(function* () {
      const peer = yield* session()
      yield* peer.writeAndEnd(Frames.close(4000))
      yield* expectClose(peer, 4000)
    })
  )
})
