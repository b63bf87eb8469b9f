/**
 * Inputs that once did harm, or are known to be tricky, without chance.
 */
import { describe, expect } from "vitest"
import { noHandshake } from "../support/get.js"
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import { type Case, kept } from "./campaign.js"
import { MAX_PAYLOAD } from "./chatter.js"
import * as Conversation from "./conversation.js"
import * as Deflation from "./deflation.js"
import * as Exchange from "./exchange.js"
import type { Script } from "./Peer.js"
import { random } from "./Random.js"

const get = (headers: Http.Headers = {}, path = "/livez"): string =>
  Http.request({ path, headers: { ...noHandshake, ...headers } })
const refused = Http.request({ headers: { "Sec-WebSocket-Version": "8" } })
const garbage = "no request\r\n\r\n"

const sent = (
  segments: ReadonlyArray<string | Buffer>,
  ending: Script["ending"] = "fin",
  linger = 4
): Script => ({
  segments: segments.map((segment) => Buffer.from(segment)),
  pausesAfter: undefined,
  linger,
  ending
})

const exchange = (...given: Parameters<typeof sent>): Case => Exchange.following(sent(...given))

describe("before a WebSocket connection", () => {
  // The response of a refusal was given a socket that still had another.
  kept(
    "nothing that is pipelined does harm",
    { compression: true },
    {
      "a refused handshake behind a request": exchange([get() + refused]),
      "an upgrade of nothing behind a request": exchange([get() + Http.request({ path: "/nowhere" })]),
      "a refused handshake behind an expectation that is not met": exchange([
        get({ Expect: "much" }) + refused
      ]),
      "a refused handshake behind a request without Host": exchange([get({ Host: null }) + refused]),
      "a refused handshake behind two requests": exchange([get() + get() + refused]),
      // Its 101 came before the answer to the second request, which then stood among the frames.
      "a handshake behind two requests": exchange([get() + get() + Http.request()]),
      "a handshake behind one that closes": exchange([get({ Connection: "close" }) + Http.request()]),
      // The fiber of the second request waited for ever.
      "garbage behind two requests": exchange([get() + get() + garbage]),
      "a reset behind two requests": exchange([get() + get()], "reset", 0),
      "a reset behind two requests, when they are answered": exchange([get() + get()], "reset", 1),
      "an expectation behind a request": exchange([get() + get({ Expect: "100-continue" })])
    }
  )
})

const conversation = (...inputs: ReadonlyArray<Buffer>): Case =>
  Conversation.following(sent([Buffer.concat([Buffer.from(Http.request()), ...inputs])]), inputs)

describe("on a WebSocket connection", () => {
  kept(
    "frames that are tricky are taken for what they are",
    { maxPayload: MAX_PAYLOAD },
    {
      "half a close code": conversation(Frames.frame({ opcode: Frames.CLOSE, payload: "a" })),
      "a close reason cut off in a character": conversation(Frames.close(1000, Buffer.from("c3", "hex"))),
      "a length of 2^64 - 1": conversation(
        Frames.frame({ opcode: Frames.BINARY, declaredLength: 2n ** 64n - 1n })
      ),
      "a length that fits in 7 bits in 64": conversation(
        Frames.frame({ opcode: Frames.TEXT, payload: "long", lengthEncoding: 64 })
      ),
      "a bad header without the rest of its frame": conversation(
        Frames.text("before"),
        Buffer.from("8b80", "hex")
      ),
      "a message that is too big only with its last fragment": conversation(
        Frames.frame({ opcode: Frames.BINARY, payload: Buffer.alloc(MAX_PAYLOAD), fin: false }),
        Frames.frame({ opcode: Frames.CONTINUATION, payload: "a" })
      ),
      "a character in two fragments with a ping between": conversation(
        Frames.frame({ opcode: Frames.TEXT, payload: Buffer.from("c3", "hex"), fin: false }),
        Frames.ping("between"),
        Frames.frame({ opcode: Frames.CONTINUATION, payload: Buffer.from("a4", "hex") })
      ),
      "half a frame, and the end of TCP": conversation(
        Frames.text("before"),
        Frames.text("after").subarray(0, 8)
      )
    }
  )
})

const chance = random(0, 0)
const message = (payload: Buffer): Buffer => Deflation.compressed(chance, Deflation.deflated(payload))
const handshake = Http.request({ headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } })

/** All that is said, each in a segment of its own, on a connection that ends like this. */
const compressed = (honest: ReadonlyArray<Buffer>, name: string, ...said: ReadonlyArray<Buffer>): Case => {
  const judge = Deflation.judge(honest)
  return {
    script: { ...sent([handshake, ...said], "fin", 0), pausesAfter: 1 },
    inputs: () => said.length,
    isAccepted: Conversation.isAccepted,
    judge: (outcome, ending) => {
      const seen = judge(outcome, ending)
      expect(seen).toEqual([name])
      return seen
    }
  }
}

/** That takes a while to inflate, and whose echo is compressed too. */
const long = Buffer.alloc(500_000, "long")

describe("on a connection with compression", () => {
  kept(
    "nothing that comes while a message is inflated does harm, or overtakes it",
    { compression: true },
    {
      // The receiver went on to read, without a mask, after a frame that it had found bad.
      "a bad Close frame, and more in another segment": compressed(
        [long],
        "ProtocolError 1002",
        message(long),
        Frames.close(1006),
        Buffer.alloc(10)
      ),
      // The end of TCP was taken for the reason, though the frame stood before it.
      "a bad frame, and the end of TCP": compressed(
        [long],
        "ProtocolError 1002",
        message(long),
        Frames.frame({ opcode: Frames.CLOSE, rsv1: true })
      ),
      // The end of the peer's side ended the server's, before all was compressed that it had to say.
      "a Close frame, and the end of TCP": compressed(
        [long, long],
        "PeerClosed",
        Frames.text(long),
        Frames.text(long),
        Frames.close(1000)
      )
    }
  )
})
