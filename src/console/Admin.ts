/**
 * The server's API of connections: follows them, and stops them.
 */
import { signal } from "@preact/signals"
import { createParser } from "eventsource-parser"
import { waitBefore } from "./Backoff.js"
import { count } from "./Format.js"
import { type Connection, type Page, Roster } from "./Roster.js"
import { addressOf } from "./Settings.js"

/** Whether the API lets this browser in. */
export type Access =
  | { readonly is: "asking" }
  | { readonly is: "open" }
  | {
      readonly is: "refused"
      readonly status: number
      readonly message: string
      /** Whether there was a token, which isn't the server's. */
      readonly isWrong: boolean
    }
  | { readonly is: "away"; readonly message: string }

const TOKEN = "answerback-token"
const PAGE = 1000
/** How often the numbers of a page of the list are brought up to date, in milliseconds. */
const REFRESH = 2000
/** How often the table may change, in milliseconds. */
const BATCH = 200

export const access = signal<Access>({ is: "asking" })
export const roster = new Roster()
/** Changes with the roster, a few times a second. */
export const rosterRevision = signal(0)
/** What came of the last action, for a person. */
export const outcome = signal("")
/** What a header can have of a token: the browser throws at most other characters, and asks nobody. */
const isSendable = (text: string): boolean => /^[!-~]*$/.test(text)

const stored = sessionStorage.getItem(TOKEN) ?? ""
/** For this tab alone, and gone with it. */
export const token = signal(isSendable(stored) ? stored : "")

let batch: ReturnType<typeof setTimeout> | undefined
const changed = (): void => {
  batch ??= setTimeout(() => {
    batch = undefined
    rosterRevision.value++
  }, BATCH)
}

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const messageOf = async (response: Response): Promise<string> => {
  try {
    const body: unknown = await response.json()
    if (typeof body === "object" && body !== null && "message" in body && typeof body.message === "string")
      return body.message
  } catch {
    // No JSON: the status has to do.
  }
  return `the server answered ${response.status}`
}

const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const headers = new Headers(init.headers)
  if (token.value !== "") headers.set("authorization", `Bearer ${token.value}`)
  const response = await fetch(addressOf(path), { ...init, headers, cache: "no-store", credentials: "omit" })
  if (!response.ok) throw new Refused(response.status, await messageOf(response))
  return response
}

const list = async (after: string | undefined, signal: AbortSignal): Promise<Page> => {
  const query = new URLSearchParams({ limit: String(PAGE), ...(after === undefined ? {} : { after }) })
  const asked = roster.events
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own answer
  const page = (await (await call(`/connections?${query}`, { signal })).json()) as Page
  roster.listed(after, page, asked)
  changed()
  return page
}

/** Reads all pages. */
const listAll = async (signal: AbortSignal): Promise<void> => {
  let after: string | undefined
  do {
    // oxlint-disable-next-line no-await-in-loop -- each page tells where the next begins
    after = (await list(after, signal)).next ?? undefined
  } while (after !== undefined)
}

/** The server has dropped events, since this page reads too slowly: the list tells what became of them. */
const lagged = (lost: number, signal: AbortSignal): void => {
  roster.isBehind = true
  outcome.value = `${count(lost)} events were lost: the list is read again`
  changed()
  void listAll(signal).catch(() => {})
}

let hasFollowed = false

const follow = async (signal: AbortSignal): Promise<void> => {
  const response = await call("/events", { signal, headers: { accept: "text/event-stream" } })
  if (response.body === null) return
  const parser = createParser({
    onEvent: ({ data, event }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own event
      if (event === "lagged") lagged((JSON.parse(data) as { readonly lost: number }).lost, signal)
      else if (event === "opened" || event === "stopping" || event === "closed") {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server's own event
        roster.happened(event, JSON.parse(data) as Connection)
        changed()
      }
    }
  })
  // Only now: what happens while the list is read is told by the stream.
  roster.clear()
  roster.isBehind = hasFollowed
  hasFollowed = true
  const listing = async (): Promise<void> => {
    await listAll(signal)
    access.value = { is: "open" }
    attempt = 0
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  const reading = async (): Promise<void> => {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a stream is read in order
      const { done, value } = await reader.read()
      if (done) return
      parser.feed(value)
    }
  }
  await Promise.all([listing(), reading()])
}

/** Keeps a token, or none. */
const keep = (text: string): void => {
  token.value = text
  if (text === "") sessionStorage.removeItem(TOKEN)
  else sessionStorage.setItem(TOKEN, text)
}

let attempt = 0
let current: AbortController | undefined
let timer: ReturnType<typeof setTimeout> | undefined

/** Follows the connections, with the token that there is, for as long as the page lives. */
export const start = (): void => {
  current?.abort()
  clearTimeout(timer)
  const controller = new AbortController()
  current = controller
  const run = async (): Promise<void> => {
    let problem = "The server has ended the stream of events."
    try {
      await follow(controller.signal)
    } catch (error) {
      if (controller.signal.aborted) return
      if (error instanceof Refused && [401, 403, 404].includes(error.status)) {
        controller.abort()
        roster.clear()
        changed()
        access.value = {
          is: "refused",
          status: error.status,
          message: error.message,
          isWrong: error.status === 401 && token.value !== ""
        }
        if (error.status === 401) keep("")
        return
      }
      problem = "The server doesn't answer."
    }
    if (controller.signal.aborted) return
    controller.abort()
    access.value = { is: "away", message: problem }
    timer = setTimeout(start, 500 + waitBefore(attempt++, Math.random()))
  }
  void run()
}

let next: string | undefined

/** Brings numbers up to date, one page after the other: the cost is the same for a few and for ten thousand. */
const refresh = async (): Promise<void> => {
  const signal = current?.signal
  if (access.value.is !== "open" || document.hidden || signal === undefined) return
  try {
    next = (await list(next, signal)).next ?? undefined
  } catch {
    // The stream of events notices, too, and knows what to do.
    next = undefined
  }
}
setInterval(() => void refresh(), REFRESH)

/** Takes another token, or none. */
export const useToken = (text: string): void => {
  if (!isSendable(text)) {
    const message = "the token is not that of this server: tokens are of visible ASCII characters"
    access.value = { is: "refused", status: 401, message, isWrong: true }
    return
  }
  keep(text)
  attempt = 0
  start()
}

const act = async (what: string, path: string, init: RequestInit): Promise<void> => {
  try {
    const response = await call(path, init)
    const body: unknown = await response.json().catch(() => undefined)
    const stopped =
      typeof body === "object" && body !== null && "stopped" in body ? `, ${count(Number(body.stopped))}` : ""
    outcome.value = `${what}${stopped}`
  } catch (error) {
    outcome.value = `not ${what}: ${error instanceof Refused ? error.message : "the server doesn't answer"}`
  }
}

const closeQuery = (code: string, reason: string): string => {
  const query = new URLSearchParams()
  if (code !== "") query.set("code", code)
  if (reason !== "") query.set("reason", reason)
  return query.size === 0 ? "" : `?${query}`
}

export const stop = (id: string, code: string, reason: string): Promise<void> =>
  act(`stopped ${id}`, `/connections/${encodeURIComponent(id)}${closeQuery(code, reason)}`, {
    method: "DELETE"
  })

export const stopAll = (code: string, reason: string): Promise<void> =>
  act("stopped all", `/connections${closeQuery(code, reason)}`, { method: "DELETE" })

export const applyFault = (id: string, fault: Readonly<Record<string, string>>): Promise<void> =>
  act(`applied ${fault["fault"]} to ${id}`, `/connections/${encodeURIComponent(id)}/faults`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(fault)
  })
