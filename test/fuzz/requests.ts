/**
 * What peers send before they speak WebSocket: requests of HTTP/1.1, right, nearly right, and wrong.
 */
import * as Frames from "../support/frames.js"
import * as Http from "../support/http.js"
import * as Chatter from "./chatter.js"
import { mutate } from "./mutations.js"
import type { Random } from "./Random.js"
import { HEADERS, METHODS, NO_HEADERS, TARGETS, VERSIONS } from "./vocabulary.js"

/** A request in the making. Strings hold one byte a character. */
interface Draft {
  method: string
  target: string
  version: string
  headers: Array<string>
  body: string
  lineEnd: string
}

const noUpgrade: Http.Headers = {
  Upgrade: null,
  Connection: null,
  "Sec-WebSocket-Key": null,
  "Sec-WebSocket-Version": null
}

const draft = (options: Http.RequestOptions): Draft => {
  const [first = "", ...headers] = (Http.request(options).split("\r\n\r\n")[0] ?? "").split("\r\n")
  const [method = "", target = "", version = ""] = first.split(" ")
  return { method, target, version, headers, body: options.body ?? "", lineEnd: "\r\n" }
}

const chunks = (random: Random): string => {
  const all = Array.from({ length: random.between(0, 4) }, () => {
    const data = "x".repeat(random.between(1, 20))
    const size = random.oneIn(6)
      ? random.pick(["-1", "fffffffff", "g", "", "0x5", "5 ;x", "5;a=b"])
      : data.length.toString(16)
    return `${size}\r\n${data}${random.oneIn(10) ? "" : "\r\n"}`
  })
  return `${all.join("")}0\r\n${random.oneIn(4) ? "Trailer: x\r\n" : ""}\r\n`
}

type Maker = (random: Random) => Draft

const plain: Maker = (random) =>
  draft({ path: random.pick(["/livez", "/readyz", "/nowhere", "/echo"]), headers: noUpgrade })

const MAKERS: ReadonlyArray<Maker> = [
  () => draft({}),
  () => draft({}),
  plain,
  plain,
  plain,
  (random) => {
    const body = "b".repeat(random.below(50))
    const length = random.oneIn(2) ? body.length : random.below(60)
    return draft({
      method: "POST",
      path: "/livez",
      headers: { ...noUpgrade, "Content-Length": `${length}` },
      body
    })
  },
  (random) =>
    draft({
      method: "POST",
      path: random.pick(["/livez", "/echo"]),
      headers: { ...(random.oneIn(3) ? {} : noUpgrade), "Transfer-Encoding": "chunked" },
      body: chunks(random)
    })
]

type Change = (draft: Draft, random: Random) => void

const at = (draft: Draft, random: Random): number => random.below(draft.headers.length + 1)

const CHANGES: ReadonlyArray<Change> = [
  (draft, random) => {
    draft.headers.splice(at(draft, random), 0, random.pick(HEADERS))
  },
  // In the place of the one that should be there.
  (draft, random) => {
    const header = random.pick(HEADERS)
    const name = header.slice(0, header.indexOf(":") + 1)
    draft.headers = [...draft.headers.filter((one) => !one.startsWith(name)), header]
  },
  (draft, random) => {
    draft.headers.splice(at(draft, random), 1)
  },
  (draft, random) => {
    const from = at(draft, random)
    draft.headers.splice(at(draft, random), 0, ...draft.headers.slice(from, from + 1))
  },
  (draft, random) => {
    draft.headers.splice(at(draft, random), 0, random.pick(NO_HEADERS))
  },
  // Folded over lines, as HTTP/1.0 allowed (RFC 9112 section 5.2).
  (draft, random) => {
    const place = at(draft, random)
    const header = draft.headers[place] ?? "X: y"
    const cut = random.below(header.length + 1)
    draft.headers[place] =
      `${header.slice(0, cut)}\r\n${random.pick([" ", "\t", " \t "])}${header.slice(cut)}`
  },
  (draft, random) => {
    draft.method = random.pick(METHODS)
  },
  (draft, random) => {
    draft.target = random.pick(TARGETS)
  },
  (draft, random) => {
    draft.version = random.pick(VERSIONS)
  },
  (draft, random) => {
    draft.lineEnd = random.pick(["\n", "\r", "\r\r\n", "\n\r"])
  },
  (draft, random) => {
    draft.body += random.bytes(random.below(30)).toString("latin1")
  },
  // Seldom, since they take time: around the 16 KiB and the 2,000 headers that Node takes, and beyond.
  (draft, random) => {
    if (!random.oneIn(6)) return
    const size = random.pick([8000, 16_000, 16_384, 17_000, 40_000])
    draft.headers.splice(at(draft, random), 0, `X-Huge: ${"h".repeat(size)}`)
  },
  (draft, random) => {
    if (!random.oneIn(12)) return
    const count = random.pick([100, 1000, 1999, 2001, 5000])
    draft.headers.splice(
      at(draft, random),
      0,
      ...Array.from({ length: count }, (_, i) => `${i % 7}: ${i % 2}`)
    )
  }
]

const render = ({ body, headers, lineEnd, method, target, version }: Draft): Buffer =>
  Buffer.from([`${method} ${target} ${version}`, ...headers, "", body].join(lineEnd), "latin1")

/** One request. */
const request = (random: Random): Buffer => {
  const made = random.pick(MAKERS)(random)
  for (let left = random.below(3); left > 0; left--) random.pick(CHANGES)(made, random)
  return render(made)
}

/** What isn't HTTP at all. */
const strange = (random: Random): Buffer =>
  random.pick<() => Buffer>([
    () => random.bytes(random.below(200)),
    () => Chatter.input(random),
    () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    // A ClientHello of TLS, and a greeting of SSH.
    () => Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), random.bytes(80)]),
    () => Buffer.from("SSH-2.0-OpenSSH_9.6\r\n"),
    () => Buffer.from("\r\n".repeat(random.below(40)))
  ])()

/** One input: everything that is sent on a TCP connection, often with more behind the first request. */
export const input = (random: Random): Buffer => {
  if (random.oneIn(20)) return strange(random)
  const first = request(random)
  const more = random.oneIn(6)
    ? random.pick<() => Buffer>([
        () => request(random),
        () => Buffer.concat([request(random), request(random)]),
        () => Frames.text("behind it"),
        () => Chatter.input(random),
        () => random.bytes(random.below(60))
      ])()
    : Buffer.alloc(0)
  const bytes = Buffer.concat([first, more])
  return random.oneIn(4) ? mutate(bytes, random, () => request(random)) : bytes
}
