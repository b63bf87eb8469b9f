/**
 * The program unmasks messages by `bufferutil` where it is, and without it where it isn't.
 */
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import { describe, expect, it } from "vitest"
import * as Frames from "../support/frames.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"

/** `ws` unmasks short messages by itself in any case, and a message may begin anywhere in what is read. */
const SIZES = [1, 23, 24, 31, 32, 33, 125, 126, 4099, 65_535, 65_536, 300_001]

describe("a program", () => {
  it("finds bufferutil where it was installed", () => {
    expect(createRequire(Program.MAIN)("bufferutil")).toHaveProperty("unmask")
  })

  for (const [where, env] of [
    ["with bufferutil", {}],
    ["without bufferutil", { WS_NO_BUFFER_UTIL: "1" }]
  ] as const)
    live(`${where} echoes masked messages of any size`, () =>
      Effect.gen(function* () {
        const { port } = yield* Program.start({ env })
        const client = yield* RawClient.connect({ port })
        const payloads = SIZES.map((size) =>
          Buffer.from(Array.from({ length: size }, (_, i) => (i * 31) & 255))
        )
        const mask = Buffer.from([0x9d, 0x01, 0xfe, 0x37])
        const frames = payloads.map((payload) => Frames.frame({ opcode: Frames.BINARY, payload, mask }))
        yield* Effect.fork(client.write(Buffer.concat(frames)))
        for (const payload of payloads) {
          const echo = yield* client.nextFrame
          expect(Buffer.compare(echo.payload, payload), `${payload.length} bytes`).toBe(0)
        }
      })
    )
})
