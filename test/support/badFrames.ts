/**
 * Frames that a peer must not send, with the close code that each is answered with (RFC 6455 sections 7.1.7 and 7.4).
 */
import * as Frames from "./frames.js"

const { BINARY, CONTINUATION, TEXT } = Frames

/** What is wrong, the code, and the frame. */
export const badFrames: ReadonlyArray<readonly [string, number, Buffer]> = [
  ["a frame with a reserved opcode", 1002, Frames.frame({ opcode: 3 })],
  ["a frame with a reserved bit", 1002, Frames.frame({ opcode: TEXT, rsv2: true })],
  ["an unmasked frame", 1002, Frames.frame({ opcode: TEXT, payload: "bad", mask: false })],
  ["a continuation of nothing", 1002, Frames.frame({ opcode: CONTINUATION })],
  ["a fragmented ping", 1002, Frames.frame({ opcode: Frames.PING, fin: false })],
  ["a Close frame with half a code", 1002, Frames.frame({ opcode: Frames.CLOSE, payload: "a" })],
  ["a Close frame with a code that may not be sent", 1002, Frames.close(1005)],
  ["a Close frame whose reason is no UTF-8", 1007, Frames.close(1000, Uint8Array.of(0xff))],
  ["text that is no UTF-8", 1007, Frames.text(Uint8Array.of(0xff))],
  ["a message that is too big", 1009, Frames.frame({ opcode: BINARY, declaredLength: 2 ** 30 })]
]
