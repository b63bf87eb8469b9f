/**
 * The console's live table of all connections, in a browser.
 */
// oxlint-disable no-await-in-loop -- a person does one thing after the other
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as Chromium from "../support/chromium.js"
import { accessible, busy, connect, make, type Page, sound, state, until } from "../support/consolePage.js"
import * as Frames from "../support/frames.js"
import * as RawClient from "../support/RawClient.js"
import { liveWithTool } from "../support/skip.js"

const { inBrowser, opened } = make()

/** Waits until so many rows are of connections that live. */
const rows = (page: Page, count: number) =>
  until(page, `document.querySelectorAll("tr[data-id]:not(.gone)").length === ${count}`)

/** Waits for a Close frame, and answers it, so that the connection ends at once. */
const closed = (client: RawClient.RawClient) =>
  Effect.gen(function* () {
    const frame = yield* client.nextFrame
    yield* client.answerClose([frame])
    return Frames.closeOf(frame)
  })

/**
 * An API of connections within the page: of as many as are asked for, and with events when the test tells of them.
 * `window.live` are the connections, `window.tell` sends an event, and `window.asked` is what the page has asked for.
 */
const withApi = (count: number): string => `(() => {
  window.live = Array.from({ length: ${count} }, (_, at) => ({
    id: "c" + String(at).padStart(6, "0"), remote: "127.0.0.1:" + (10000 + at), path: "/echo", subprotocol: null,
    openedAt: new Date().toISOString(), lastMessageAt: null, messagesIn: (at * 7919) % ${count}, messagesOut: at,
    bytesIn: at, bytesOut: at, bufferedBytes: 0, state: "open"
  }))
  window.asked = []
  let stream
  window.tell = (name, data) =>
    stream.enqueue(new TextEncoder().encode("event: " + name + "\\ndata: " + JSON.stringify(data) + "\\n\\n"))
  window.fetch = async (path, { method = "GET" } = {}) => {
    const { pathname, search, searchParams } = new URL(path, location.href)
    window.asked.push(method + " " + pathname + search)
    if (pathname === "/events") return new Response(new ReadableStream({ start: (controller) => { stream = controller } }))
    if (method === "DELETE") return Response.json({ id: pathname.slice("/connections/".length) })
    const after = searchParams.get("after") ?? ""
    const rest = live.filter(({ id }) => id > after)
    const connections = rest.slice(0, Number(searchParams.get("limit")))
    return Response.json({ total: live.length, connections, next: connections.length < rest.length ? connections.at(-1).id : null })
  }
})()`

describe("the table of connections", () => {
  liveWithTool(Chromium.missing, "shows who is connected, sorted as asked, and stops one or all", () =>
    Effect.gen(function* () {
      const { page, program } = yield* opened()
      const first = yield* RawClient.connect({ port: program.port })
      const second = yield* RawClient.connect({ port: program.port })
      yield* Effect.promise(async () => {
        await rows(page, 2)
        await page.locator('button[aria-disabled="false"]:has-text("Stop all")').waitFor()
        await page.locator("th.id button").click()
        await page.locator('th.id[aria-sort="descending"]').waitFor()
        await sound(page)
        await page.locator('.bar input[placeholder="1001"]').fill("4321")
        await page.locator("td.actions button").first().click()
      })
      expect(yield* closed(second)).toMatchObject({ code: 4321 })
      yield* Effect.promise(async () => {
        await rows(page, 1)
        await page.locator('.outcome:has-text("stopped ")').waitFor()
        await page.locator('button:has-text("Stop all")').click()
        await page.locator("button.danger").click()
      })
      expect(yield* closed(first)).toMatchObject({ code: 4321 })
      yield* Effect.promise(async () => {
        await page.locator('.outcome:has-text("stopped all, 1")').waitFor()
        // Rows stay where they are as long as somebody points at them, and no longer.
        await page.mouse.move(1, 1)
        await page.locator('.table:has-text("Nobody is connected.")').waitFor()
      })
    })
  )

  liveWithTool(Chromium.missing, "applies a fault to one that is open", () =>
    Effect.gen(function* () {
      const { page, program } = yield* opened()
      const client = yield* RawClient.connect({ port: program.port })
      yield* Effect.promise(async () => {
        await rows(page, 1)
        expect(await page.locator("td.actions button").count()).toBe(1)
        await page.locator("#fault").selectOption("hang")
        expect(await page.locator("td.actions button").count()).toBe(1)
        await page.locator("#fault").selectOption("close")
        await page.locator("#fault-code").fill("4567")
        await page.locator("#fault-reason").fill("a test")
        await sound(page)
        await page.locator('td.actions button:has-text("close")').click()
        await page.locator('.outcome:has-text("applied close to ")').waitFor()
      })
      expect(yield* closed(client)).toMatchObject({ code: 4567, reason: "a test" })
    })
  )

  inBrowser(
    "shows the operator's stop to the page whose connection it was",
    async ({ page }) => {
      await connect(page)
      await page.locator(".bar input.medium").fill("deploying")
      await page.locator("td.actions button").click()
      await state(page, "ended")
      await page.locator('.headline:has-text("1001 Going away: “deploying”")').waitFor()
      await sound(page)
    },
    { args: [] }
  )

  inBrowser(
    "stays usable with ten thousand connections: only rows in view are drawn",
    async ({ page }) => {
      await page.locator('.bar:has-text("10,000 open")').waitFor()
      expect(await page.locator("tr[data-id]").count()).toBeLessThan(60)
      const work = await busy(
        page,
        `(async () => {
          const frame = () => new Promise(requestAnimationFrame)
          const table = document.querySelector("#table")
          for (let step = 0; step < 20; step++) {
            table.scrollTop = (step % 2) * table.scrollHeight * step / 20
            await frame()
          }
          for (const name of ["remote", "status", "bytes", "id"]) {
            document.querySelector("th." + name + " button").click()
            await frame()
          }
        })()`
      )
      // Less than a table of ten thousand rows takes once.
      expect(work).toBeLessThan(1000)
      await page.locator('th button:has-text("In")').click()
      await page.locator('th button:has-text("In")').click()
      await page.locator('th[aria-sort="descending"]:has-text("In")').waitFor()
      await page.evaluate("void (document.querySelector('#table').scrollTop = 0)")
      const busiest = String(
        await page.evaluate(
          "live.reduce((one, other) => (one.messagesIn > other.messagesIn ? one : other)).id"
        )
      )
      await page.locator(`tr[data-id]:nth-child(2)[data-id="${busiest}"]`).waitFor()
      await page.locator(`tr[data-id="${busiest}"] button`).click()
      await until(page, `asked.includes("DELETE /connections/${busiest}")`)
      await page.evaluate(
        `tell("closed", live.splice(live.findIndex(({ id }) => id === "${busiest}"), 1)[0])`
      )
      await page.locator('.bar:has-text("9,999 open, 0 opened and 1 closed")').waitFor()
      await page.locator(`tr.gone[data-id="${busiest}"]`).waitFor()
      await page.mouse.move(1, 1)
      await page.locator(`tr[data-id="${busiest}"]`).waitFor({ state: "detached" })
    },
    { script: withApi(10_000) }
  )

  inBrowser(
    "tells that events were lost, and reads the list again",
    async ({ page }) => {
      await page.locator('.bar:has-text("2,500 open, 0 opened and 0 closed")').waitFor()
      await page.evaluate('void (live.splice(1000), tell("lagged", { lost: 1500 }))')
      await page.locator('.outcome[role="status"]:has-text("1,500 events were lost")').waitFor()
      await page.locator('.bar:has-text("1,000 open, more than 0 opened and more than 0 closed")').waitFor()
      await accessible(page)
    },
    // A page that is hidden doesn't bring its list up to date by itself.
    { script: `${withApi(2500)}; Object.defineProperty(document, "hidden", { value: true })` }
  )

  inBrowser(
    "asks for the token, keeps it for the tab only, and never writes it into a URL",
    async ({ page, program }) => {
      await page.locator('.token:has-text("401: the admin API wants the token")').waitFor()
      await sound(page)
      await page.locator("#token").fill("wrong")
      await page.locator("#token").press("Enter")
      await page.locator('.token .bad:has-text("401: the token is not that of this server")').waitFor()
      await page.locator('#token[aria-invalid="true"]:focus').waitFor()
      expect(await page.evaluate("sessionStorage.length")).toBe(0)
      await sound(page)
      await page.locator("#token").fill("s3cret")
      await page.locator("#token").press("Enter")
      await page.locator(".everyone .state.open").waitFor()
      await sound(page)
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
    { args: ["--admin-token", "s3cret"] }
  )

  liveWithTool(Chromium.missing, "tells of a row that is held how its connection was in the end", () =>
    Effect.gen(function* () {
      const { page, program } = yield* opened()
      const client = yield* RawClient.connect({ port: program.port })
      yield* Effect.promise(async () => {
        await rows(page, 1)
        expect(await page.locator('.outcome:has-text("none moves")').count()).toBe(0)
        await page.locator("tr[data-id] td.id").hover()
        await page.locator('.outcome:has-text("While you point at a row, none moves.")').waitFor()
      })
      const hellos = Array.from({ length: 5 }, () => Frames.text("hello"))
      yield* client.write(Buffer.concat([...hellos, Frames.close(1000)]))
      yield* Effect.promise(() => page.locator("tr.gone").waitFor())
      // An hour later, when there is somebody else.
      yield* Effect.promise(() =>
        page.evaluate("void (now => (Date.now = () => now() + 3_600_000))(Date.now)")
      )
      const other = yield* RawClient.connect({ port: program.port })
      yield* Effect.promise(async () => {
        await page.locator('tr[data-id]:not(.gone) td.number:has-text("1h 00m")').waitFor()
        // Its age, and what came and went.
        const figures = await page.evaluate(
          "[...document.querySelectorAll('tr.gone td.number')].slice(0, 4).map(({ textContent }) => textContent).join(' ')"
        )
        expect(figures).toMatch(/^\d+s 5 5 50 B$/)
      })
      yield* other.reset
    })
  )

  inBrowser(
    "asks before it stops all, and leaves the focus where one goes on",
    async ({ page }) => {
      const focused = (label: string) => page.locator(`.bar button:focus:has-text("${label}")`)
      await page.locator('.bar button[aria-disabled="false"]:has-text("Stop all…")').press("Enter")
      await focused("Cancel").waitFor()
      await page.keyboard.press("Shift+Tab")
      await focused("Stop 3 with 1001").press("Escape")
      await focused("Stop all…").press("Enter")
      await focused("Cancel").press("Enter")
      await focused("Stop all…").press("Enter")
      await focused("Cancel").waitFor()
      await page.keyboard.press("Shift+Tab")
      await page.keyboard.press("Enter")
      await focused("Stop all…").waitFor()
      await until(page, 'asked.includes("DELETE /connections")')
    },
    { script: withApi(3) }
  )

  inBrowser(
    "doesn't go on asking whether to stop all when nobody is left, nor about who comes later",
    async ({ page }) => {
      await page.locator('.bar button[aria-disabled="false"]:has-text("Stop all…")').press("Enter")
      await page.locator('button.danger:has-text("Stop 1")').waitFor()
      await page.evaluate('void (window.last = live.pop(), tell("closed", last))')
      await page.locator('.bar button[aria-disabled="true"]:focus:has-text("Stop all…")').waitFor()
      await page.evaluate('void (live.push({ ...last, id: "d" }), tell("opened", live[0]))')
      await page.locator('.bar button[aria-disabled="false"]:has-text("Stop all…")').waitFor()
      expect(await page.locator("button.danger").count()).toBe(0)
    },
    { script: withApi(1) }
  )

  inBrowser(
    "leads from the token to the table, and from a token that is forgotten to the field",
    async ({ page }) => {
      await page.locator("#token").fill("wrong")
      await page.locator('.token button:has-text("Use")').press("Enter")
      await page.locator('#token[aria-invalid="true"]:focus').waitFor()
      await page.keyboard.type("s3cret")
      await page.locator('.token button:has-text("Use")').press("Enter")
      await page.locator("#table:focus").waitFor()
      await page.locator('button:has-text("Forget token")').press("Enter")
      await page.locator("#token:focus").waitFor()
    },
    { args: ["--admin-token", "s3cret"] }
  )

  inBrowser(
    "takes a token that no header can have for a wrong one, and doesn't keep it",
    async ({ page }) => {
      await page.locator("#token").waitFor()
      for (const token of ["пароль", "x☃", "two words", "\u007f"]) {
        await page.locator("#token").fill(token)
        await page.locator("#token").press("Enter")
        await page.locator('.token .bad:has-text("401: the token is not that of this server")').waitFor()
        await page.locator('#token[aria-invalid="true"]:focus').waitFor()
        expect(await page.evaluate("sessionStorage.length")).toBe(0)
      }
      await sound(page)
      // One that was kept before it was looked at.
      await page.evaluate("sessionStorage.setItem('answerback-token', 'пароль')")
      await page.reload()
      await page.locator('.token:has-text("401: the admin API wants the token")').waitFor()
      await page.locator("#token").fill("s3cret")
      await page.locator("#token").press("Enter")
      await page.locator(".everyone .state.open").waitFor()
    },
    { args: ["--admin-token", "s3cret"] }
  )

  inBrowser(
    "asks for no token where none would help",
    async ({ page }) => {
      await page.locator('.token:has-text("403: only from here")').waitFor()
      expect(await page.locator("#token").count()).toBe(0)
      await sound(page)
      // As wide as its words, as other buttons are.
      expect(await page.evaluate("document.querySelector('.again').offsetWidth")).toBeLessThan(120)
      await page.locator('button:has-text("Ask again")').click()
      await page.locator('.bar:has-text("3 open")').waitFor()
    },
    {
      script: `${withApi(3)}; {
        const answer = fetch
        let isFirst = true
        window.fetch = async (...asked) => {
          if (!isFirst) return answer(...asked)
          isFirst = false
          return Response.json({ error: "Forbidden", message: "only from here" }, { status: 403 })
        }
      }`
    }
  )
})
