/**
 * Chromium, as Debian has it, driven by Playwright.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { temporaryDirectory } from "./certificate.js"

const CHROMIUM = "/usr/bin/chromium"

/** Says that it is missing, if it is. */
export const missing = fs.existsSync(CHROMIUM)
  ? undefined
  : `no ${CHROMIUM}: apt-get install -y --no-install-recommends chromium`

// What is used of Playwright. Its own types want those of the DOM, which would then be everywhere.
interface Playwright<Browser> {
  readonly chromium: {
    readonly launchPersistentContext: (
      directory: string,
      options: Readonly<Record<string, unknown>>
    ) => Promise<Browser>
  }
}

const playwright = async <Browser>(): Promise<Playwright<Browser>> => {
  const name: string = "playwright-core"
  const module: unknown = await import(name)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return module as Playwright<Browser>
}

/** A browser of the test's own, gone with its scope; `Browser` is what is used of it. */
export const launch = <Browser extends { readonly close: () => Promise<void> }>(
  options: Readonly<Record<string, unknown>> = {}
): Effect.Effect<Browser, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { chromium } = yield* Effect.promise(() => playwright<Browser>())
    const directory = yield* temporaryDirectory
    return yield* Effect.acquireRelease(
      Effect.promise(() =>
        chromium.launchPersistentContext(directory, {
          executablePath: CHROMIUM,
          headless: true,
          handleSIGINT: false,
          handleSIGTERM: false,
          handleSIGHUP: false,
          args: [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync"
          ],
          ...options
        })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  })
