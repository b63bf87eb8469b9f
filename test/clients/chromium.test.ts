/**
 * Chromium: a page, its origin, and what it may do.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as http from "node:http"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"
import * as Chromium from "../support/chromium.js"
import { live } from "../support/live.js"
import { type Client, ClientFailed, type Open } from "./client.js"
import * as Remote from "./remote.js"
import { suite } from "./suite.js"

const PAGE = fileURLToPath(new URL("page.html", import.meta.url))

interface Page {
  readonly goto: (url: string) => Promise<unknown>
  readonly evaluate: (expression: string) => Promise<unknown>
  readonly close: () => Promise<void>
}

interface Browser {
  readonly newPage: () => Promise<Page>
  readonly close: () => Promise<void>
}

/** Serves the page on an origin of its own, which it gives. */
const site: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.async<http.Server>((resume) => {
      const server = http.createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/html", connection: "close" })
        response.end(fs.readFileSync(PAGE))
      })
      // A browser opens some more in case it needs them, and keeps them: no test leaves them behind.
      server.on("connection", (socket) => socket.unref())
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ),
  (server) => {
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("the page is served nowhere")
    return `http://127.0.0.1:${address.port}`
  }
)

interface Tab {
  readonly open: Open
  readonly close: Effect.Effect<void>
}

interface BrowserClient extends Client {
  readonly origin: string
  /** Opens the page of a site in a tab of its own. */
  readonly openTab: (origin: string) => Effect.Effect<Tab, never, Scope.Scope>
}

const chromium: Effect.Effect<BrowserClient, never, Scope.Scope> = Effect.gen(function* () {
  const { newPage } = yield* Effect.map(Chromium.launch<Browser>(), (browser) => ({
    newPage: () => browser.newPage()
  }))
  const openTab: BrowserClient["openTab"] = (origin) =>
    Effect.gen(function* () {
      const page = yield* Effect.acquireRelease(Effect.promise(newPage), (page) =>
        Effect.promise(() => page.close())
      )
      yield* Effect.promise(() => page.goto(origin))
      let sessions = 0
      const open: Open = (url, subprotocols = []) =>
        Effect.suspend(() => {
          const id = sessions++
          const call: Remote.Call = (name, argument) =>
            Effect.tryPromise({
              try: () => page.evaluate(`client.${name}(${id}, ${JSON.stringify(argument)})`),
              catch: (error) => new ClientFailed({ message: String(error) })
            })
          return Remote.open(call, url, subprotocols)
        })
      return { open, close: Effect.promise(() => page.close()) }
    })
  const origin = yield* site
  return {
    origin,
    openTab,
    open: (url, subprotocols) => Effect.flatMap(openTab(origin), ({ open }) => open(url, subprotocols))
  }
})

suite({
  name: "Chromium",
  sees: "chromium",
  missing: Chromium.missing,
  compresses: true,
  client: chromium,
  more: (setup) => {
    live("may not connect from a page of another origin", () =>
      Effect.gen(function* () {
        const { client, program } = setup()
        const { open } = yield* client.openTab(yield* site)
        const { message } = yield* Effect.flip(open(program.webSocketUrl))
        expect(message).toBe("error, close 1006")
      })
    )

    live("may connect from any page if every origin is allowed", () =>
      Effect.gen(function* () {
        const { client, start } = setup()
        const program = yield* start(["--origin", "*"])
        const { open } = yield* client.openTab(yield* site)
        const session = yield* open(program.webSocketUrl)
        yield* session.exchange(["hello"])
      })
    )

    live("says 1001 when its tab is closed", () =>
      Effect.gen(function* () {
        const { client, start } = setup()
        const program = yield* start([])
        const { close, open } = yield* client.openTab(client.origin)
        const session = yield* open(program.webSocketUrl)
        yield* session.exchange(["hello"])
        yield* close
        expect(yield* program.log.logged("connection closed")).toMatchObject({
          reason: "PeerClosed",
          code: 1001,
          messagesIn: 1
        })
      })
    )
  }
})
