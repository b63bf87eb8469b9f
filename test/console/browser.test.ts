/**
 * The console as a person has it, in a browser, against the built program: what it does with a connection of its own.
 */
// oxlint-disable no-await-in-loop -- a person does one thing after the other
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { faults } from "../../src/console/FaultTable.js"
import { Faults } from "../../src/index.js"
import * as Chromium from "../support/chromium.js"
import {
  accessible,
  busy,
  connect,
  fits,
  make,
  type Page,
  say,
  sound,
  state,
  until
} from "../support/consolePage.js"
import * as PrefixProxy from "../support/prefixProxy.js"
import { serverWith } from "../support/server.js"
import { liveWithTool } from "../support/skip.js"

const { inBrowser, openedAt } = make()

const received = (page: Page, text: string) =>
  page.locator(`.message.received:has-text("${text}")`).first().waitFor()

const codeOf = (page: Page) => page.locator(".headline .code").textContent()

/**
 * Notes which elements move though nobody has done anything just before. Text within one may: a number grows to the left
 * in its column, and a button has another word in its middle.
 */
const WATCH_SHIFTS = `void (window.shifts = [], new PerformanceObserver((list) => {
  for (const { hadRecentInput, sources } of list.getEntries())
    if (!hadRecentInput) window.shifts.push(...sources.flatMap(({ node }) => node instanceof Text ? [] : [node?.outerHTML]))
}).observe({ type: 'layout-shift', buffered: true }))`

describe("the console", () => {
  inBrowser("sends text and files, and shows their echoes with the time they took", async ({ page }) => {
    await sound(page)
    await connect(page)
    await say(page, "good day")
    await received(page, "good day")
    expect(await page.locator(".message.received .trip").first().textContent()).toMatch(/^[\d.]+ m?s$/)
    await page
      .locator("input[type=file]")
      .setInputFiles({ name: "a", mimeType: "", buffer: Buffer.from("\0\u0001file") })
    await received(page, "00 01 66 69 6c 65")
    await page.locator(".message.received").first().click()
    await page.locator('.detail pre:has-text("good day")').waitFor()
    await sound(page)
    await page.locator("button.main").click()
    await page.locator('.headline:has-text("1000 Normal closure")').waitFor()
    await page.locator(".connect .state.calm").waitFor()
    await sound(page)
  })

  inBrowser("takes several files, and says what to do before it sends any message", async ({ page }) => {
    await say(page)
    await page.locator('#message-hint.bad:has-text("connect first")').waitFor()
    // The message itself is as it should be.
    await page.locator('#message[aria-invalid="false"]').waitFor()
    await connect(page)
    await page.locator('#message-hint:not(.bad):has-text("Enter sends")').waitFor()
    expect(await page.locator(".ending").textContent()).not.toContain("wait in the browser")
    await page
      .locator("input[type=file]")
      .setInputFiles(["one", "two"].map((name) => ({ name, mimeType: "", buffer: Buffer.from(name) })))
    await received(page, "6f 6e 65")
    await received(page, "74 77 6f")
  })

  inBrowser("sends a file that is dropped anywhere on the page", async ({ page }) => {
    await connect(page)
    // As by a hand: the page would be left for the file if nobody took it.
    const drop = (selector: string, text: string) =>
      page.evaluate(`((target) => {
        const dataTransfer = new DataTransfer()
        dataTransfer.items.add(new File([${JSON.stringify(text)}], "dropped"))
        return ["dragover", "drop"].map((type) =>
          target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer })))
      })(document.querySelector(${JSON.stringify(selector)}))`)
    expect(await drop("#messages", "list")).toEqual([false, false])
    await received(page, "6c 69 73 74")
    expect(await drop(".top", "head")).toEqual([false, false])
    await received(page, "68 65 61 64")
  })

  inBrowser("leaves text alone that is dragged into a field", async ({ page }) => {
    expect(
      await page.evaluate(`(() => {
        const dataTransfer = new DataTransfer()
        dataTransfer.setData("text/plain", "words")
        return document.querySelector("#message").dispatchEvent(
          new DragEvent("dragover", { bubbles: true, cancelable: true, dataTransfer }))
      })()`)
    ).toBe(true)
  })

  inBrowser(
    "explains the end that a file brings about that is too large",
    async ({ page }) => {
      await connect(page)
      await page
        .locator("input[type=file]")
        .setInputFiles({ name: "big", mimeType: "", buffer: Buffer.alloc(2000) })
      await page.locator('.ending:has-text("at most 1000 B in one message (--max-payload)")').waitFor()
      expect(await codeOf(page)).toBe("1009")
    },
    { args: ["--max-payload", "1000"] }
  )

  inBrowser(
    "brings about each fault, with its URL, and tells what it saw",
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
      for (const { group, kind } of faults) {
        await page.locator("#fault").selectOption(kind)
        expect(await page.locator("#url").textContent()).toContain(`${program.webSocketUrl}?fault=${kind}`)
        await page.locator("button.main").click()
        if (!["close", "reset", "vanish", "refuse", "hang"].includes(kind)) {
          await state(page, "open")
          await page.locator(`.asked:has-text("fault=${kind}")`).waitFor()
          await say(page, kind)
        }
        const code = endings[kind]
        if (code !== undefined) {
          await page.locator(`.ending:has-text("You had asked for ${kind}")`).waitFor()
          expect(await codeOf(page)).toBe(code)
          continue
        }
        await page.locator(`.message.sent:has-text("${kind}")`).first().waitFor()
        if (kind === "delay" || kind === "throttle") await received(page, kind)
        // One that is silent doesn't answer a Close frame either.
        if (group === "Silence") await page.reload()
        else {
          await page.locator("button.main").click()
          await state(page, "ended")
        }
      }
    },
    { args: ["--handshake-timeout", "500ms"] }
  )

  inBrowser("shows and copies all of the URL that the form makes", async ({ page, program }) => {
    await page.locator("#fault").selectOption("close")
    await page.locator("#fault-reason").fill("so long, and thanks for all the fish & chips")
    await page.locator("#fault-after").fill("3msg")
    const query = new URLSearchParams({
      fault: "close",
      code: "4001",
      after: "3msg",
      reason: "so long, and thanks for all the fish & chips"
    }).toString()
    const url = `${program.webSocketUrl}?${query}`
    expect(await page.locator("#url").textContent()).toBe(url)
    await sound(page)
    const pasted = async (): Promise<unknown> => {
      await page.locator("button.copy").click()
      await page.locator('button.copy:has-text("Copied")').waitFor()
      await page.locator("#message").fill("")
      await page.keyboard.press("Control+v")
      return page.locator("#message").inputValue()
    }
    expect(await pasted()).toBe(url)
    // Where a page has no clipboard, as by plain http from another machine.
    await page.evaluate(
      "navigator.clipboard.writeText('old').then(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }))"
    )
    await page.locator('button.copy:has-text("Copy")').waitFor()
    expect(await pasted()).toBe(url)
  })

  inBrowser(
    "says what is wrong with a fault that can't be read, and doesn't ask for it",
    async ({ page }) => {
      await page.locator("#fault").selectOption("drop")
      await page.locator("#fault-rate").fill("2")
      await page.locator('#fault-rate-hint:has-text("accepted is a share from 0 to 1")').waitFor()
      await sound(page)
      // A click by Playwright would wait for the button to become one that can be pressed.
      await page.locator("button.main").press("Enter")
      await state(page, "idle")
    }
  )

  inBrowser("closes, cancels and gives up whether the fault can be read or not", async ({ page }) => {
    const pressed = async (label: string) => {
      await page.locator("#fault-after").fill("soon")
      await page.locator('#fault-after[aria-invalid="true"]').waitFor()
      // As it looks, too: Playwright's click waits for a button that isn't disabled.
      await page.locator(`button.main[aria-disabled="false"]:has-text("${label}")`).click()
      await state(page, "ended")
      await page.locator('button.main[aria-disabled="true"]:has-text("Connect")').waitFor()
      await page.locator("#fault").selectOption("")
    }
    await connect(page)
    await page.locator("#fault").selectOption("close")
    await pressed("Close")
    await page.locator("#fault").selectOption("hang")
    await page.locator("button.main").click()
    await state(page, "connecting")
    await page.locator("#fault").selectOption("close")
    await pressed("Cancel")
    await page.evaluate("Math.random = () => 20")
    await page.locator(".check input").check()
    await page.locator("#fault").selectOption("refuse")
    await page.locator("button.main").click()
    await state(page, "waiting")
    await page.locator("#fault").selectOption("close")
    await pressed("Give up")
  })

  inBrowser(
    "offers no faults where there are none",
    async ({ page }) => {
      await page.locator('.connect p:has-text("This server makes no faults")').waitFor()
      expect(await page.locator("#fault").count()).toBe(0)
      await sound(page)
    },
    { args: ["--faults", "off"] }
  )

  const embedded = (
    name: string,
    offered: Parameters<typeof serverWith>[2],
    test: (page: Page) => Promise<void>
  ) =>
    liveWithTool(Chromium.missing, name, () =>
      Effect.gen(function* () {
        const { port } = yield* serverWith(() => Effect.never, {}, offered)
        const page = yield* openedAt(`http://127.0.0.1:${port}/`)
        yield* Effect.promise(() => test(page))
      })
    )

  embedded("offers no faults in a program that has none", undefined, async (page) => {
    await page.locator('.connect p:has-text("This server makes no faults")').waitFor()
    expect(await page.locator("#fault").count()).toBe(0)
  })

  embedded(
    "offers faults for open connections alone in a program that decides on the others",
    Faults.layer(),
    async (page) => {
      await connect(page)
      await page.locator("#fault").selectOption("close")
      expect(await page.locator("#url").textContent()).not.toContain("fault")
      const offered = await page.evaluate(
        "[...document.querySelectorAll('#fault option')].map(({ value }) => value)"
      )
      expect(offered).toEqual(["", ...faults.filter(({ isLive }) => isLive).map(({ kind }) => kind)])
      await sound(page)
      await page.locator('td.actions button:has-text("close")').click()
      await state(page, "ended")
      expect(await codeOf(page)).toBe("4001")
    }
  )

  liveWithTool(Chromium.missing, "works below a path that a proxy has put the server at", () =>
    Effect.gen(function* () {
      const { port } = yield* serverWith(() => Effect.never)
      const host = `127.0.0.1:${yield* PrefixProxy.start("/tools/echo/", port)}`
      const page = yield* openedAt(`http://${host}/tools/echo/?a=b#c`)
      yield* Effect.promise(async () => {
        expect(await page.locator("#url").textContent()).toBe(`ws://${host}/tools/echo/echo`)
        expect(await page.locator(".where").textContent()).toBe(`${host}/tools/echo/echo`)
        await page.locator(".everyone .state.open").waitFor()
        await connect(page)
        await page.locator("tr[data-id] td.actions button").click()
        await state(page, "ended")
        expect(await codeOf(page)).toBe("1001")
      })
    })
  )

  inBrowser("comes back with back-off, until it is told not to", async ({ page }) => {
    // The waits are drawn: let the third be too long for whoever doesn't ask to try at once.
    await page.evaluate("{ let drawn = 0; Math.random = () => (++drawn < 3 ? 0.1 : 20) }")
    await page.locator("#fault").selectOption("reset")
    await page.locator(".check input").check()
    await page.locator("button.main").click()
    await page.locator('.message:has-text("attempt 1 in 50.0 ms")').waitFor()
    await page.locator('.message:has-text("attempt 3 in 40.00 s")').waitFor()
    await state(page, "waiting")
    expect(await page.locator(".steps [aria-current]").textContent()).toBe("2")
    const left =
      "Number(/Attempt 3 in ([\\d.]+) s/.exec(document.querySelector('.headline').textContent)?.[1])"
    await until(page, `${left} < ${String(await page.evaluate(left))}`)
    await page.locator('button:has-text("Try now")').click()
    await page.locator('.message:has-text("attempt 4 in")').waitFor()
    expect(await page.locator('.message:has-text("connected in")').count()).toBe(4)
    await sound(page)
    await page.locator('button:has-text("Give up")').click()
    await state(page, "ended")
  })

  inBrowser("tells who asks for subprotocols that the server may have chosen none", async ({ page }) => {
    await page.locator("#subprotocols").fill("chat.v2")
    await page.locator("button.main").click()
    await page.locator('.ending:has-text("it has chosen none of the subprotocols")').waitFor()
    await sound(page)
    await page.locator("#subprotocols").fill("")
    await connect(page)
  })

  inBrowser(
    "tells a shutdown from a server that is gone, and a handshake that nobody answers from both",
    async ({ page, program }) => {
      await connect(page)
      await Effect.runPromise(program.signal("SIGTERM"))
      await page.locator('.headline:has-text("1001 Going away: “server shutting down”")').waitFor()
      await page.locator('.everyone:has-text("The server doesn\'t answer. Trying again.")').waitFor()
      await page.locator("button.main").click()
      await page.locator('.headline:has-text("1006 Handshake failed")').waitFor()
      await sound(page)
    },
    { args: [] }
  )

  inBrowser(
    "tells that the server has died",
    async ({ page, program }) => {
      await connect(page)
      await Effect.runPromise(program.signal("SIGKILL"))
      await page.locator('.headline:has-text("1006 Abnormal closure")').waitFor()
      await page.locator('.ending:has-text("without a close handshake")').waitFor()
      await sound(page)
    },
    { args: [] }
  )

  inBrowser("repeats a message as fast as it can, numbered", async ({ page }) => {
    await connect(page)
    await page.locator(".repeat input").first().fill("0")
    await page.locator('.repeat input[placeholder="∞"]').fill("2000")
    await page.locator("#message").fill("{n}.")
    await page.locator(".repeat button").click()
    await received(page, "2000.")
    const figures = await page.evaluate(
      "Object.fromEntries([...document.querySelectorAll('.figures div')].map((row) => [...row.children].map(({ textContent }) => textContent)))"
    )
    expect(figures).toMatchObject({ sent: "2,000", received: "2,000", lost: "0", extra: "0" })
    await page.locator('.repeat button:has-text("Repeat")').waitFor()
  })

  inBrowser("measures no round trip that it can't know, and numbers what is sent", async ({ page }) => {
    const trips =
      "[...document.querySelectorAll('.message:not(.event) .trip')].map(({ textContent }) => textContent).join(' ')"
    await page.locator("#fault").selectOption("drop")
    await page.locator("#fault-rate").fill("1")
    await connect(page)
    await say(page, "hello {n}")
    await page.locator('.message.sent .preview:text-is("hello 1")').waitFor()
    await say(page)
    await page.locator('.message.sent .preview:text-is("hello 2")').waitFor()
    await page.locator("button.main").click()
    await until(page, `${trips} === "lost lost"`)
    await page.locator('.talk button:has-text("Clear")').click()
    // All echoes are late, so that two that are alike wait at once.
    await page.locator("#fault").selectOption("delay")
    await page.locator("#fault-time").fill("1s")
    await page.locator("#fault-jitter").fill("")
    await connect(page)
    await say(page, "alike")
    await say(page, "alike")
    await until(page, `/^\\? 1\\.\\d\\d s \\? 1\\.\\d\\d s$/.test(${trips})`)
    await sound(page)
  })

  inBrowser("doesn't repeat what it can't read how often to, and says so", async ({ page }) => {
    const [every, times] = [page.locator(".repeat input").first(), page.locator(".repeat input").nth(1)]
    const unreadable = async (hint: string) => {
      await page.locator(`#message-hint.bad:has-text("${hint}")`).waitFor()
      expect(await page.locator('.repeat input[aria-invalid="true"]').count()).toBe(1)
      // A click by Playwright would wait for the button to become one that can be pressed.
      await page.locator('.repeat button[aria-disabled="true"]').press("Enter")
    }
    await connect(page)
    for (const text of ["abc", "", "-5", "3000000000", "1e3"]) {
      await every.fill(text)
      await unreadable("or a time such as 50ms or 2s")
    }
    await sound(page)
    await every.fill("1h")
    await times.fill("abc")
    await unreadable("a whole number from 1 up")
    await times.fill("")
    await page.locator(".repeat button").click()
    await page.locator('.repeat button:has-text("Stop")').waitFor()
    // It can be stopped, whatever stands there by now.
    await every.fill("abc")
    await page.locator('.repeat button:has-text("Stop")').click()
    await say(page, "said")
    await received(page, "said")
    expect(await page.locator(".message.sent").count()).toBe(1)
  })

  inBrowser(
    "scrolls in a list of a hundred thousand messages as fast as in one of a thousand",
    async ({ page }) => {
      const filled = async (count: number): Promise<void> => {
        await page.locator('.repeat input[placeholder="∞"]').fill(String(count))
        await page.locator(".repeat button").click()
        await page.locator(`.message.sent:has-text("${count}")`).waitFor()
        await page.locator('.repeat button:has-text("Repeat")').waitFor()
      }
      const scrolled = () =>
        busy(
          page,
          `new Promise((resolve) => {
            const list = document.querySelector("#messages")
            let frames = 0
            const step = () => {
              list.scrollTop = (frames % 2) * list.scrollHeight * frames / 60
              if (++frames <= 60) return requestAnimationFrame(step)
              // Where it follows the latest.
              list.scrollTop = list.scrollHeight
              resolve()
            }
            requestAnimationFrame(step)
          })`
        )
      await connect(page)
      await page.locator(".repeat input").first().fill("0")
      await page.locator("#message").fill("{n}")
      await filled(1000)
      // What is compiled at the first time isn't meant.
      await scrolled()
      const short = await scrolled()
      await filled(100_000)
      expect(await page.locator(".message").count()).toBeLessThan(100)
      const long = Math.min(await scrolled(), await scrolled())
      expect(long / short).toBeLessThan(2)
    },
    // The list is meant, not the network: a hundred thousand frames take a browser some ten seconds.
    { script: "WebSocket.prototype.send = () => {}" }
  )

  inBrowser(
    "follows the latest message, also in a window that changes its size, until one scrolls up",
    async ({ page }) => {
      const isAtEnd = `(({ scrollTop, clientHeight, scrollHeight }) => scrollTop + clientHeight >= scrollHeight - 2)(document.querySelector("#messages"))`
      await connect(page)
      await page.locator("#message").fill("{n}")
      await page.locator('.repeat input[placeholder="∞"]').fill("60")
      await page.locator(".repeat input").first().fill("1")
      await page.locator(".repeat button").click()
      await page.locator('.message.received .preview:text-is("60")').waitFor()
      for (const height of [1300, 800, 1100]) {
        await page.setViewportSize({ width: 1280, height })
        await until(page, isAtEnd)
      }
      // Higher and lower at once: the event of the first change comes when the second has been made.
      const bound = (height: string) => `document.querySelector("#messages").style.maxHeight = "${height}"`
      await page.evaluate(bound("150px"))
      await until(page, isAtEnd)
      await page.evaluate(
        `${bound("none")}; void document.querySelector("#messages").scrollTop; ${bound("100px")}`
      )
      await until(page, isAtEnd)
      await page.locator('.talk button:has-text("Pause")').waitFor()
      await page.evaluate("document.querySelector('#messages').scrollTop -= 100")
      await page.locator('.talk button:has-text("Follow")').click()
      await until(page, isAtEnd)
    }
  )

  inBrowser("works with the keyboard alone", async ({ page }) => {
    await page.keyboard.press("Alt+c")
    await state(page, "open")
    await page.keyboard.press("Alt+m")
    await page.keyboard.press("Control+a")
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    await received(page, "typed")
    await page.keyboard.press("Alt+l")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.locator('.detail pre:has-text("typed")').waitFor()
    await page.keyboard.press("Escape")
    await page.locator(".detail").waitFor({ state: "detached" })
    // From within the message, too, and the list is where one goes on.
    for (const key of ["Escape", "Enter"]) {
      await page.keyboard.press("Enter")
      await page.locator('.detail button:has-text("Close details")').press(key)
      await page.locator(".detail").waitFor({ state: "detached" })
      await page.locator("#messages:focus").waitFor()
    }
    await page.keyboard.press("Alt+k")
    await page.locator("dialog[open]").waitFor()
    await accessible(page)
    // What is behind the dialog stays as it is.
    await page.keyboard.press("Alt+c")
    await page.keyboard.press("Alt+p")
    await page.keyboard.press("Escape")
    await page.locator("dialog[open]").waitFor({ state: "detached" })
    await state(page, "open")
    expect(await page.locator('.talk button:has-text("Pause")').count()).toBe(1)
    await page.keyboard.press("Alt+c")
    await state(page, "ended")
  })

  inBrowser("fits small and large windows, in light and dark", async ({ page }) => {
    const background = "getComputedStyle(document.body).backgroundColor"
    await page.locator("#fault").selectOption("delay")
    await connect(page)
    await say(page)
    await received(page, "hello")
    const seen = new Set<unknown>()
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme })
      seen.add(await page.evaluate(background))
      for (const width of [360, 900, 1600]) {
        await page.setViewportSize({ width, height: 900 })
        await fits(page)
      }
      await accessible(page)
    }
    expect(seen.size).toBe(2)
  })

  inBrowser(
    "shows what has the focus, is chosen or can't be had, in the reader's own colours, too",
    async ({ page }) => {
      const style = (selector: string, property: string, pseudo = "") =>
        page.evaluate(
          `getComputedStyle(document.querySelector(${JSON.stringify(selector)}), ${JSON.stringify(pseudo)})[${JSON.stringify(property)}]`
        )
      const differ = async (property: string, one: string, other: string) =>
        expect(await style(one, property)).not.toBe(await style(other, property))
      await connect(page)
      await page.locator("#fault").selectOption("close")
      await page.locator("#fault-code").fill("1")
      expect(await style("label[for=fault-code]", "fontFamily")).toBe(
        await style("label[for=fault]", "fontFamily")
      )
      await page.locator("#messages").press("Home")
      await page.locator('.message[aria-selected="true"]').waitFor()
      await page.locator(".message").nth(1).hover()
      const [isChosen, isPointedAt] = ['.message[aria-selected="true"]', ".message:hover"]
      await differ("backgroundColor", isChosen, isPointedAt)
      await differ("boxShadow", isChosen, isPointedAt)
      // The ring is around the rows, none of which lies over it.
      expect(await style("#messages", "borderTopColor")).toBe(await style("button.primary", "borderTopColor"))
      const isInside = `(([list, row]) => row.top >= list.top + 2 && row.left >= list.left + 2)(
      ["#messages", ".message"].map((selector) => document.querySelector(selector).getBoundingClientRect()))`
      expect(await page.evaluate(isInside)).toBe(true)
      // The words for states end where the panel does.
      const gaps = await page.evaluate(`[...document.querySelectorAll(".panel .state")].map((element) => {
      const range = document.createRange()
      range.selectNodeContents(element)
      return Math.round(element.closest("header").getBoundingClientRect().right - range.getBoundingClientRect().right)
    })`)
      expect(gaps).toEqual([10, 10])
      await page.emulateMedia({ forcedColors: "active" })
      await page.locator(".repeat input").first().fill("abc")
      expect(await style(".state", "backgroundColor", "::before")).not.toBe(
        await style("body", "backgroundColor")
      )
      await differ("color", '.repeat button[aria-disabled="true"]', ".copy")
      await differ("borderTopStyle", "#fault-code", "#fault-after")
    }
  )

  for (const width of [360, 900, 1600])
    inBrowser(
      `moves nothing by itself while it loads, talks, ends and comes back, at ${width} px`,
      async ({ page }) => {
        await page.setViewportSize({ width, height: 900 })
        await page.reload()
        await page.locator(".everyone .state.open").waitFor()
        await page.evaluate(WATCH_SHIFTS)
        const shifts = () => page.evaluate("new Promise((resolve) => setTimeout(() => resolve(shifts)))")
        expect(await shifts()).toEqual([])
        await page.locator("#fault").selectOption("reset")
        await page.locator("#fault-after").fill("100msg")
        await page.locator(".repeat input").first().fill("10")
        await page.locator(".check input").check()
        await page.evaluate("void (shifts.length = 0, Math.random = () => 0.9)")
        await connect(page)
        // More than a second: what moves within half a second after a click is taken for what the click has done.
        await page.locator(".repeat button").click()
        await page.locator('.message:has-text("attempt 1 in")').waitFor()
        await state(page, "open")
        await page.locator('button.main:has-text("Close")').waitFor()
        expect(await shifts()).toEqual([])
      }
    )
})
