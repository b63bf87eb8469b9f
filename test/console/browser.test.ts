/**
 * The console as a person has it: in a browser, against the built program.
 */
// oxlint-disable no-await-in-loop -- a person does one thing after the other
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { faults } from "../../src/console/FaultTable.js"
import * as Chromium from "../support/chromium.js"
import * as Program from "../support/Program.js"
import * as RawClient from "../support/RawClient.js"
import { liveWithTool } from "../support/skip.js"

interface Locator {
  readonly click: () => Promise<void>
  readonly fill: (text: string) => Promise<void>
  readonly press: (key: string) => Promise<void>
  readonly check: () => Promise<void>
  readonly waitFor: (options?: { readonly state: string }) => Promise<void>
  readonly count: () => Promise<number>
  readonly inputValue: () => Promise<string>
  readonly textContent: () => Promise<string | null>
  readonly selectOption: (value: string) => Promise<unknown>
  readonly setInputFiles: (file: {
    readonly name: string
    readonly mimeType: string
    readonly buffer: Buffer
  }) => Promise<void>
  readonly first: () => Locator
}

interface Page {
  readonly goto: (url: string) => Promise<unknown>
  readonly reload: () => Promise<unknown>
  readonly evaluate: (expression: string) => Promise<unknown>
  readonly locator: (selector: string) => Locator
  readonly keyboard: {
    readonly press: (key: string) => Promise<void>
    readonly type: (text: string) => Promise<void>
  }
  readonly setViewportSize: (size: { readonly width: number; readonly height: number }) => Promise<void>
  readonly emulateMedia: (media: { readonly colorScheme: string }) => Promise<void>
  readonly on: (event: string, listener: (event: never) => void) => void
  readonly close: () => Promise<void>
}

interface Browser {
  readonly newPage: () => Promise<Page>
  readonly close: () => Promise<void>
}

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

const scope = Effect.runSync(Scope.make())
let browser: Browser

// One for all: it takes a second to start.
beforeAll(async () => {
  if (Chromium.missing !== undefined) return
  browser = await Effect.runPromise(Scope.extend(Chromium.launch<Browser>(), scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

interface Opened {
  readonly page: Page
  readonly program: Program.Listening
}

/** A page whose console says nothing, and which asks no other host. */
const opened = (args: ReadonlyArray<string> = []): Effect.Effect<Opened, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* Program.start({ args })
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
      if (message.type() === "error" && !/WebSocket connection to|status of 40[13]/.test(message.text()))
        complaints.push(message.text())
    })
    page.on("pageerror", (error: Error) => complaints.push(String(error)))
    page.on("request", (request: { url: () => string }) => {
      const url = new URL(request.url())
      if (url.protocol !== "data:" && url.host !== new URL(program.url).host)
        complaints.push(`asked for ${url.href}`)
      if (url.href.includes("s3cret")) complaints.push(`the token in ${url.href}`)
    })
    yield* Effect.promise(() => page.goto(program.url))
    return { page, program }
  })

const inBrowser = (
  name: string,
  test: (opened: Opened) => Promise<void>,
  args?: ReadonlyArray<string>
): void =>
  liveWithTool(Chromium.missing, name, () =>
    Effect.flatMap(opened(args), (opened) => Effect.promise(() => test(opened)))
  )

const state = (page: Page, name: string) => page.locator(`.connect .state.${name}`).waitFor()
const said = (page: Page, text: string) => page.locator(`.message:has-text("${text}")`).first().waitFor()
const connect = async (page: Page): Promise<void> => {
  await page.locator("button.main").click()
  await state(page, "open")
}

const accessible = async (page: Page): Promise<void> => {
  await page.evaluate(AXE)
  const violations = await page.evaluate(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | ')))"
  )
  expect(violations).toEqual([])
}

/** The page fits in the width of its window. */
const fits = (page: Page) =>
  page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

describe("the console", () => {
  inBrowser("sends text and files, and shows their echoes with the time they took", async ({ page }) => {
    await connect(page)
    await page.locator("#message").fill("good day")
    await page.locator("#message").press("Enter")
    await page.locator('.message.received:has-text("good day")').waitFor()
    expect(await page.locator(".message.received .trip").first().textContent()).toMatch(/^[\d.]+ m?s$/)
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "a", mimeType: "", buffer: Buffer.from("\0\u0001file") })
    await page.locator('.message.received:has-text("00 01 66 69 6c 65")').waitFor()
    await page.locator("button.main").click()
    await page.locator('.headline:has-text("1000 Normal closure")').waitFor()
  })

  inBrowser(
    "explains the end that a file brings about that is too large",
    async ({ page }) => {
      await connect(page)
      await page
        .locator("input[type=file]")
        .setInputFiles({ name: "big", mimeType: "", buffer: Buffer.alloc(2000) })
      await page.locator('.ending:has-text("at most 1000 B in one message (--max-payload)")').waitFor()
      expect(await page.locator(".headline .code").textContent()).toBe("1009")
    },
    ["--max-payload", "1000"]
  )

  inBrowser(
    "brings about each fault, with its URL ready to copy, and tells what it saw",
    async ({ page, program }) => {
      const endings: Readonly<Record<string, string>> = {
        close: "4001",
        reset: "1006",
        vanish: "1006",
        truncate: "1006",
        corrupt: "1006",
        refuse: "1006",
        hang: "1006"
      }
      for (const { kind } of faults) {
        await page.locator("#fault").selectOption(kind)
        expect(await page.locator("#url").inputValue()).toContain(`${program.webSocketUrl}?fault=${kind}`)
        await page.locator("button.main").click()
        if (!["close", "reset", "vanish", "refuse", "hang"].includes(kind)) {
          await state(page, "open")
          await page.locator("#message").fill(kind)
          await page.locator("#message").press("Enter")
        }
        const code = endings[kind]
        if (code !== undefined) {
          await state(page, "ended")
          expect(await page.locator(".headline .code").textContent()).toBe(code)
          await page.locator(`.ending:has-text("You had asked for ${kind}")`).waitFor()
          continue
        }
        await said(page, kind)
        if (kind === "delay" || kind === "throttle")
          await page.locator(`.message.received:has-text("${kind}")`).waitFor()
        await page.reload()
      }
    },
    ["--handshake-timeout", "500ms"]
  )

  inBrowser(
    "says what is wrong with a fault that can't be read, and doesn't ask for it",
    async ({ page }) => {
      await page.locator("#fault").selectOption("drop")
      await page.locator("#fault-rate").fill("2")
      await page.locator('#fault-rate-hint:has-text("accepted is a share from 0 to 1")').waitFor()
      // A click by Playwright would wait for the button to become one that can be pressed.
      await page.locator("button.main").press("Enter")
      await state(page, "idle")
    }
  )

  inBrowser("comes back with back-off, until it is told not to", async ({ page, program }) => {
    await page.locator("#fault").selectOption("reset")
    await page.locator(".check input").check()
    await page.locator("button.main").click()
    await page.locator('.message:has-text("attempt 3 in")').waitFor()
    await page.locator(".steps [aria-current]").waitFor()
    await page.locator('button:has-text("Give up")').first().click()
    await state(page, "ended")
    expect(
      program.lines().filter((line) => line.includes("connection closed")).length
    ).toBeGreaterThanOrEqual(2)
  })

  inBrowser("keeps a list of a hundred thousand messages fast", async ({ page }) => {
    // Without echoes, which would take as long again.
    await page.locator("#fault").selectOption("mute")
    await connect(page)
    await page.locator(".repeat input").first().fill("0")
    await page.locator('.repeat input[placeholder="∞"]').fill("100000")
    await page.locator("#message").fill("{n}")
    await page.locator(".repeat button").click()
    await page.locator('.message.sent:has-text("100000")').waitFor()
    expect(await page.locator(".message").count()).toBeLessThan(100)
    const slowest = await page.evaluate(`new Promise((resolve) => {
      const list = document.querySelector("#messages")
      let frames = 0, slowest = 0, last = performance.now()
      const step = () => {
        const now = performance.now()
        slowest = Math.max(slowest, now - last)
        last = now
        list.scrollTop = (frames % 2) * list.scrollHeight * frames / 30
        if (++frames < 30) requestAnimationFrame(step)
        else resolve(slowest)
      }
      requestAnimationFrame(step)
    })`)
    expect(slowest).toBeLessThan(250)
  })

  liveWithTool(Chromium.missing, "shows who is connected, sorted as asked, and stops one or all", () =>
    Effect.gen(function* () {
      const { page, program } = yield* opened()
      const first = yield* RawClient.connect({ port: program.port })
      const second = yield* RawClient.connect({ port: program.port })
      const rows = (count: number) =>
        page.evaluate(`new Promise((resolve) => {
          const look = () => document.querySelectorAll("tr[data-id]:not(.gone)").length === ${count} ? resolve(true) : setTimeout(look, 20)
          look()
        })`)
      yield* Effect.promise(async () => {
        await rows(2)
        await page.locator('button[aria-disabled="false"]:has-text("Stop all")').waitFor()
        await page.locator("th.id button").click()
        await page.locator('th.id[aria-sort="descending"]').waitFor()
        await accessible(page)
        await page.locator('.bar input[placeholder="1001"]').fill("4321")
        await page.locator("td.actions button").first().click()
      })
      expect((yield* second.nextFrame).payload.readUInt16BE(0)).toBe(4321)
      yield* Effect.promise(async () => {
        await rows(1)
        await page.locator('button:has-text("Stop all")').click()
        await page.locator("button.danger").click()
      })
      expect((yield* first.nextFrame).payload.readUInt16BE(0)).toBe(4321)
    })
  )

  inBrowser(
    "asks for the token, keeps it for the tab only, and never writes it into a URL",
    async ({ page, program }) => {
      await page.locator('.token:has-text("401")').waitFor()
      await accessible(page)
      await page.locator("#token").fill("wrong")
      await page.locator("#token").press("Enter")
      await page.locator('.token:has-text("401")').waitFor()
      await page.locator("#token").fill("s3cret")
      await page.locator("#token").press("Enter")
      await page.locator(".everyone .state.open").waitFor()
      await page.reload()
      await page.locator(".everyone .state.open").waitFor()
      expect(await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")).toEqual([
        0,
        1,
        ""
      ])
      expect(await page.evaluate("document.documentElement.outerHTML.includes('s3cret')")).toBe(false)
      await page.locator('button:has-text("Forget token")').click()
      await page.locator(".token").waitFor()
      expect(await page.evaluate("sessionStorage.length")).toBe(0)
      expect(program.stdout()).not.toContain("s3cret")
    },
    ["--admin-token", "s3cret"]
  )

  inBrowser("works with the keyboard alone", async ({ page }) => {
    await page.keyboard.press("Alt+c")
    await state(page, "open")
    await page.keyboard.press("Alt+m")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await page.locator('.message.received:has-text("typed")').waitFor()
    await page.keyboard.press("Alt+l")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.locator('.detail pre:has-text("typed")').waitFor()
    await page.keyboard.press("Escape")
    await page.locator(".detail").waitFor({ state: "detached" })
    await page.keyboard.press("Alt+k")
    await page.locator("dialog[open]").waitFor()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+c")
    await state(page, "ended")
  })

  inBrowser(
    "fits small and large windows, in light and dark, and has nothing for axe to find",
    async ({ page }) => {
      const background = "getComputedStyle(document.body).backgroundColor"
      await page.locator("#fault").selectOption("delay")
      await connect(page)
      await page.locator("#message").press("Enter")
      await page.locator(".message.received").first().waitFor()
      const seen = new Set<unknown>()
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme })
        seen.add(await page.evaluate(background))
        for (const width of [360, 900, 1600]) {
          await page.setViewportSize({ width, height: 900 })
          expect(await fits(page), `${width} px`).toBe(true)
        }
        await accessible(page)
      }
      expect(seen.size).toBe(2)
    }
  )

  inBrowser("moves nothing by itself while it loads, connects and talks", async ({ page }) => {
    await page.evaluate(
      "void (window.shift = 0, new PerformanceObserver((list) => { for (const { value } of list.getEntries()) window.shift += value }).observe({ type: 'layout-shift', buffered: true }))"
    )
    await connect(page)
    await page.locator("#message").press("Enter")
    await page.locator(".message.received").first().waitFor()
    expect(await page.evaluate("window.shift")).toBeLessThan(0.02)
  })
})
