/**
 * The console: one page, in one response, from memory.
 *
 * The build makes it (`build.mjs`, from `src/console`) with its script and style inside, and their hashes beside it: the
 * Content-Security-Policy allows these two and nothing else. It is read, told of the server, and compressed when it is
 * first asked for, so that a server whose console nobody opens pays nothing for it.
 */
import type * as Headers from "@effect/platform/Headers"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import { promisify } from "node:util"
import * as zlib from "node:zlib"
import type { Askers } from "../faults/Faults.js"
import { refusal } from "../protocol/Handshake.js"
import { toResponse } from "./Respond.js"

/** What the page is told of its server. */
export interface Settings {
  /** The path of the WebSocket endpoint. */
  readonly endpoint: string
  /** Who may ask for faults. */
  readonly faults: Askers
  /** Largest message, in bytes. */
  readonly maxPayload: number
}

/** What the page is told by a server with these settings; nothing if there is to be none. */
export const settingsOf = (
  config: { readonly console: boolean; readonly path: string; readonly maxPayload: number },
  faults: Askers
): Settings | undefined =>
  config.console ? { endpoint: config.path, faults, maxPayload: config.maxPayload } : undefined

/** What the build has made. */
interface Asset {
  /** The page, with the mark where its settings belong. */
  readonly html: string
  /** Hashes of its script and its style, as a Content-Security-Policy writes them. */
  readonly script: string
  readonly style: string
}

type Encoding = "br" | "gzip" | "identity"

interface Page {
  readonly bodies: Readonly<Record<Encoding, Uint8Array>>
  readonly headers: Readonly<Record<string, string>>
  readonly etag: string
}

/** From the bundled program, from the package's modules, and from the source. */
const places = ["./console.json", "../console.json", "../../dist/console.json"]

const MARK = "{settings}"

const brotli = promisify(zlib.brotliCompress)
const gzip = promisify(zlib.gzip)

const read = async (): Promise<Asset> => {
  const tried = await Promise.all(
    places.map((place) => fs.readFile(new URL(place, import.meta.url), "utf8").catch(() => undefined))
  )
  const text = tried.find((text) => text !== undefined)
  if (text === undefined) throw new Error("console.json is not beside the program")
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the build has written it
  return JSON.parse(text) as Asset
}

const inAttribute = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;")

/**
 * Nothing but the page's own script and style, and this server: `'self'` covers its HTTP and its WebSockets. No string
 * becomes code or markup, no form goes anywhere, and no other page shows this one.
 */
const policyOf = ({ script, style }: Asset): string =>
  [
    "default-src 'none'",
    `script-src '${script}'`,
    `style-src '${style}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; ")

const prepare = async (settings: Settings): Promise<Page> => {
  const asset = await read()
  const identity = Buffer.from(asset.html.replace(MARK, () => inAttribute(JSON.stringify(settings))))
  const [br, gz] = await Promise.all([
    brotli(identity, { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: identity.length } }),
    gzip(identity, { level: 9 })
  ])
  // Weak: the same for all encodings.
  const etag = `W/"${createHash("sha256").update(identity).digest("base64url").slice(0, 22)}"`
  return {
    bodies: { br, gzip: gz, identity },
    etag,
    headers: {
      "content-security-policy": policyOf(asset),
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-cache",
      vary: "Accept-Encoding",
      etag
    }
  }
}

/** The best of the encodings that a client takes (RFC 9110 section 12.5.3). */
export const encodingFor = (accepted: string | undefined): Encoding => {
  const weights = new Map(
    (accepted ?? "").split(",").map((part) => {
      const [name = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase())
      const weight = parameters.find((parameter) => parameter.startsWith("q="))
      return [name, weight === undefined ? 1 : Number(weight.slice(2))]
    })
  )
  const takes = (name: Encoding): boolean => (weights.get(name) ?? weights.get("*") ?? 0) > 0
  return takes("br") ? "br" : takes("gzip") ? "gzip" : "identity"
}

const isKnown = (etag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch !== undefined &&
  ifNoneMatch.split(",").some((known) => ["*", etag, etag.slice(2)].includes(known.trim()))

/** To whoever asks for a page that isn't there: a bundler has left it behind. */
const missing = refusal(
  500,
  "ConsoleMissing",
  "console.json is not beside the program: copy it there from the package's dist, build it with npm run build, or start the server with --console off"
)

/** Makes what answers GET and HEAD. */
export const make = (
  settings: Settings
): ((headers: Headers.Headers) => Effect.Effect<HttpServerResponse.HttpServerResponse>) => {
  let prepared: Promise<Page> | undefined
  const answer = ({ bodies, etag, headers }: Page, asked: Headers.Headers) => {
    if (isKnown(etag, asked["if-none-match"])) return HttpServerResponse.empty({ status: 304, headers })
    const encoding = encodingFor(asked["accept-encoding"])
    return HttpServerResponse.uint8Array(bodies[encoding], {
      headers: encoding === "identity" ? headers : { ...headers, "content-encoding": encoding },
      contentType: "text/html; charset=utf-8"
    })
  }
  return (asked) =>
    Effect.tryPromise(() => (prepared ??= prepare(settings))).pipe(
      Effect.map((page) => answer(page, asked)),
      Effect.catchAll(() => {
        // It may be there the next time.
        prepared = undefined
        return Effect.succeed(toResponse(missing))
      })
    )
}
