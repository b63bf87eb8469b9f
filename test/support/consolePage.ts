/**
 * The console as a person has it: a page in a browser.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { afterAll, beforeAll, expect } from "vitest"
import * as Chromium from "./chromium.js"
import * as Program from "./Program.js"
import { liveWithTool } from "./skip.js"

interface File {
  readonly name: string
  readonly mimeType: string
  readonly buffer: Buffer
}

export interface Locator {
  readonly click: () => Promise<void>
  readonly hover: () => Promise<void>
  readonly fill: (text: string) => Promise<void>
  readonly press: (key: string) => Promise<void>
  readonly check: () => Promise<void>
  readonly waitFor: (options?: { readonly state: string }) => Promise<void>
  readonly count: () => Promise<number>
  readonly inputValue: () => Promise<string>
  readonly textContent: () => Promise<string | null>
  readonly selectOption: (value: string) => Promise<unknown>
  readonly setInputFiles: (files: File | ReadonlyArray<File>) => Promise<void>
  readonly first: () => Locator
  readonly nth: (index: number) => Locator
}

/** The protocol of Chromium's developer tools. */
interface DevTools {
  readonly send: (
    method: string,
    parameters?: Readonly<Record<string, unknown>>
  ) => Promise<{ readonly metrics: ReadonlyArray<{ readonly name: string; readonly value: number }> }>
}

export interface Page {
  readonly goto: (url: string) => Promise<unknown>
  readonly reload: () => Promise<unknown>
  readonly addInitScript: (script: string) => Promise<unknown>
  readonly evaluate: (expression: string) => Promise<unknown>
  readonly locator: (selector: string) => Locator
  readonly keyboard: {
    readonly press: (key: string) => Promise<void>
    readonly type: (text: string) => Promise<void>
  }
  readonly mouse: { readonly move: (x: number, y: number) => Promise<void> }
  readonly setViewportSize: (size: { readonly width: number; readonly height: number }) => Promise<void>
  readonly emulateMedia: (media: {
    readonly colorScheme?: string
    readonly forcedColors?: string
  }) => Promise<void>
  readonly context: () => { readonly newCDPSession: (page: Page) => Promise<DevTools> }
  readonly on: (event: string, listener: (event: never) => void) => void
  readonly close: () => Promise<void>
}

interface Browser {
  readonly newPage: () => Promise<Page>
  readonly grantPermissions: (permissions: ReadonlyArray<string>) => Promise<void>
  readonly close: () => Promise<void>
}

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

/** Connects, by the button. */
export const connect = async (page: Page): Promise<void> => {
  await page.locator("button.main").click()
  await state(page, "open")
}

/** Waits until the page's own connection stands so. */
export const state = (page: Page, name: string): Promise<void> =>
  page.locator(`.connect .state.${name}`).waitFor()

/** Sends what stands in the field, or another message. */
export const say = async (page: Page, text?: string): Promise<void> => {
  if (text !== undefined) await page.locator("#message").fill(text)
  await page.locator("#message").press("Enter")
}

/** Waits until something is so in the page. (Playwright's own wait would evaluate it as the page's policy forbids.) */
export const until = (page: Page, condition: string): Promise<unknown> =>
  page.evaluate(`new Promise((resolve, reject) => {
    const deadline = performance.now() + 20_000
    const look = () => {
      if (${condition}) resolve()
      else if (performance.now() > deadline) reject(new Error(${JSON.stringify(`it never was so: ${condition}`)}))
      else requestAnimationFrame(look)
    }
    look()
  })`)

/** Has nothing for axe to find. */
export const accessible = async (page: Page): Promise<void> => {
  if ((await page.evaluate("typeof axe")) === "undefined") await page.evaluate(AXE)
  const violations = await page.evaluate(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')))"
  )
  expect(violations).toEqual([])
}

/** Fits in the width of a phone, and has nothing for axe to find. */
export const sound = async (page: Page): Promise<void> => {
  await accessible(page)
  await page.setViewportSize({ width: 360, height: 800 })
  await fits(page)
  await page.setViewportSize({ width: 1280, height: 900 })
}

/** The page doesn't scroll sideways, and no button, field or words are cut off, but in lists, which scroll. */
export const fits = async (page: Page): Promise<void> => {
  const overflow = await page.evaluate(`(() => {
    const { clientWidth, scrollWidth } = document.documentElement
    const parts = [...document.querySelectorAll("button, input, select, h1, h2, h3, p, label, dt, dd, output, .hint, .bar span")]
      .filter((element) => element.closest(".table, .messages, pre, .unseen") === null && element.clientWidth > 1)
    const isCut = (element) =>
      element.matches("p:not(.outcome), button, label, dt, dd, output") && element.scrollWidth > element.clientWidth + 1 ||
      element.getBoundingClientRect().right > (element.closest(".panel")?.getBoundingClientRect().right ?? clientWidth)
    return [...(scrollWidth > clientWidth ? ["the page"] : []), ...parts.filter(isCut).map(({ outerHTML }) => outerHTML)]
  })()`)
  expect(overflow).toEqual([])
}

/** Runs what takes the page's main thread, and tells for how many milliseconds of CPU time, whatever else runs. */
export const busy = async (page: Page, expression: string): Promise<number> => {
  const tools = await page.context().newCDPSession(page)
  await tools.send("Performance.enable", { timeDomain: "threadTicks" })
  const time = async (): Promise<number> => {
    const { metrics } = await tools.send("Performance.getMetrics")
    return 1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN)
  }
  const before = await time()
  await page.evaluate(expression)
  return (await time()) - before
}

export interface Opened {
  readonly page: Page
  readonly program: Program.Listening
}

/** A browser for the tests of a file, and a server for those of them that want nothing special of it. */
export const make = () => {
  const scope = Effect.runSync(Scope.make())
  let browser: Browser
  let shared: Program.Listening

  beforeAll(async () => {
    if (Chromium.missing !== undefined) return
    const both = Effect.all([Chromium.launch<Browser>(), Program.start()], { concurrency: "unbounded" })
    const [launched, started] = await Effect.runPromise(Scope.extend(both, scope))
    browser = launched
    shared = started
    await browser.grantPermissions(["clipboard-read", "clipboard-write"])
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  /** A page that says nothing on its console, asks no other host, and writes no token into a URL. */
  const openedAt = (url: string, script?: string): Effect.Effect<Page, never, Scope.Scope> =>
    Effect.gen(function* () {
      const complaints: Array<string> = []
      const page = yield* Effect.acquireRelease(
        Effect.promise(() => browser.newPage()),
        (page) =>
          Effect.zipRight(
            Effect.promise(() => page.close()),
            Effect.sync(() => expect(complaints).toEqual([]))
          )
      )
      page.on("console", (message: { type: () => string; text: () => string }) => {
        // The browser's own words on connections that fail and on answers that refuse are no defects of the page.
        if (
          message.type() === "error" &&
          !/WebSocket connection to|status of 40[13]|net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)/.test(
            message.text()
          )
        )
          complaints.push(message.text())
      })
      page.on("pageerror", (error: Error) => complaints.push(String(error)))
      page.on("request", (request: { url: () => string }) => {
        const asked = new URL(request.url())
        if (asked.protocol !== "data:" && asked.host !== new URL(url).host)
          complaints.push(`asked for ${asked.href}`)
        if (asked.href.includes("s3cret")) complaints.push(`the token in ${asked.href}`)
      })
      if (script !== undefined) yield* Effect.promise(() => page.addInitScript(script))
      yield* Effect.promise(() => page.goto(url))
      return page
    })

  /** A page of a server of its own, which was started so. */
  const opened = (args: ReadonlyArray<string> = []): Effect.Effect<Opened, unknown, Scope.Scope> =>
    Effect.gen(function* () {
      const program = yield* Program.start({ args })
      return { page: yield* openedAt(program.url), program }
    })

  /** Registers a test on a page: of the server of all, or of one that was started so. */
  const inBrowser = (
    name: string,
    test: (opened: Opened) => Promise<void>,
    options: { readonly args?: ReadonlyArray<string>; readonly script?: string } = {}
  ): void =>
    liveWithTool(Chromium.missing, name, () =>
      Effect.gen(function* () {
        const program = options.args === undefined ? shared : yield* Program.start({ args: options.args })
        const page = yield* openedAt(program.url, options.script)
        yield* Effect.promise(() => test({ page, program }))
      })
    )

  return { inBrowser, opened, openedAt }
}
