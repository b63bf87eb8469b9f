/**
 * The connection of this page: connects, sends, takes, ends, and comes back.
 */
import { computed, signal } from "@preact/signals"
import { GOOD, waitBefore } from "./Backoff.js"
import { wordsFor } from "./CloseWords.js"
import { hex, millis } from "./Format.js"
import { type Entry, MessageLog, type Payload } from "./MessageLog.js"
import { RoundTrips } from "./RoundTrips.js"
import { urlWith } from "./Settings.js"
import type { Ending, State } from "./State.js"

/** Round trips that are plotted: the latest. */
const PLOTTED = 1000

export const state = signal<State>({ is: "idle" })
export const isReconnecting = signal(false)
/** Changes with the log, a few times a second. */
export const revision = signal(0)
export const log = new MessageLog()
/** When each round trip ended, in seconds since 1970, and how long it took, in milliseconds. */
export const plot: { times: Array<number>; trips: Array<number> } = { times: [], trips: [] }
export const totals = { sent: 0, received: 0, lost: 0, extra: 0 }
export const isOpen = computed(() => state.value.is === "open")

let socket: WebSocket | undefined
let roundTrips = new RoundTrips<Entry>()
let attempt = 0
let timer: ReturnType<typeof setTimeout> | undefined
let request: { readonly query: string; readonly subprotocols: ReadonlyArray<string> } = {
  query: "",
  subprotocols: []
}
let isScheduled = false

/** How often what is seen changes, in milliseconds: often enough for an eye, and seldom enough to go on talking. */
const CALM = 100
let published = 0

/** Has what is seen drawn again: at once if nothing was for a while. */
const changed = (): void => {
  if (isScheduled) return
  isScheduled = true
  const publish = (): void => {
    isScheduled = false
    published = performance.now()
    revision.value++
  }
  const rest = published + CALM - performance.now()
  if (document.hidden || rest > 0) setTimeout(publish, Math.max(0, rest))
  else requestAnimationFrame(publish)
}

const PREVIEW = 300

const previewOf = (payload: Payload): string =>
  typeof payload === "string" ? payload.slice(0, PREVIEW).replaceAll(/\s+/g, " ") : hex(payload, 64)

const sizes = new TextEncoder()
const sizeOf = (payload: Payload): number =>
  // Most text is ASCII, of which none has to be encoded to know.
  typeof payload === "string" && !/^[\0-\x7f]*$/.test(payload) ? sizes.encode(payload).length : payload.length

const addMessage = (kind: "sent" | "received", payload: Payload): Entry =>
  log.add({
    at: Date.now(),
    kind,
    isText: typeof payload === "string",
    size: sizeOf(payload),
    preview: previewOf(payload),
    payload,
    roundTrip: undefined,
    fate: kind === "sent" ? "waiting" : undefined
  })

const note = (text: string): void => {
  log.add({
    at: Date.now(),
    kind: "event",
    isText: true,
    size: 0,
    preview: text,
    payload: text,
    roundTrip: undefined,
    fate: undefined
  })
  changed()
}

const lose = (lost: ReadonlyArray<Entry>): void => {
  for (const entry of lost) entry.fate = "lost"
  totals.lost += lost.length
}

const take = (payload: Payload): void => {
  const now = performance.now()
  const entry = addMessage("received", payload)
  totals.received++
  const trip = roundTrips.received(payload, now)
  if (trip === undefined) totals.extra++
  else {
    for (const one of [trip.answered, entry]) {
      one.fate = "answered"
      one.roundTrip = trip.took
    }
    lose(trip.lost)
    if (trip.took !== undefined) {
      plot.times.push((performance.timeOrigin + now) / 1000)
      plot.trips.push(trip.took)
    }
    if (plot.times.length > 2 * PLOTTED) {
      plot.times = plot.times.slice(-PLOTTED)
      plot.trips = plot.trips.slice(-PLOTTED)
    }
  }
  changed()
}

const comeBack = (ending: Ending): void => {
  if (ending.wasOpen && ending.lasted >= GOOD) attempt = 0
  const wait = waitBefore(attempt, Math.random())
  state.value = { is: "waiting", ending, attempt, wait, until: performance.now() + wait }
  attempt++
  timer = setTimeout(dial, wait)
  note(`attempt ${attempt} in ${millis(wait)}`)
}

const ended = (event: CloseEvent, openedAt: number | undefined, startedAt: number): void => {
  const lost = roundTrips.end()
  lose(lost)
  const ending: Ending = {
    code: event.code,
    reason: event.reason,
    wasClean: event.wasClean,
    wasOpen: openedAt !== undefined,
    lasted: performance.now() - (openedAt ?? startedAt),
    unanswered: lost.length,
    fault: new URLSearchParams(request.query).get("fault") ?? undefined,
    hadSubprotocols: request.subprotocols.length > 0
  }
  const { name, returns } = wordsFor(event.code)
  note(
    ending.wasOpen
      ? `ended ${event.code}${name === "" ? "" : ` ${name}`}${event.reason === "" ? "" : `: ${event.reason}`}`
      : "the handshake failed (1006)"
  )
  const isWanted = state.value.is !== "closing" && isReconnecting.value && returns !== "no"
  if (isWanted) comeBack(ending)
  else state.value = { is: "ended", ending }
}

const dial = (): void => {
  clearTimeout(timer)
  const startedAt = performance.now()
  let openedAt: number | undefined
  const url = urlWith(request.query)
  state.value = { is: "connecting", since: startedAt }
  roundTrips = new RoundTrips<Entry>()
  const mine = new WebSocket(url, [...request.subprotocols])
  mine.binaryType = "arraybuffer"
  socket = mine
  note(`connecting to ${url}`)
  mine.addEventListener("open", () => {
    openedAt = performance.now()
    state.value = {
      is: "open",
      since: openedAt,
      asked: [...new URLSearchParams(request.query)].map((pair) => pair.join("=")).join(" "),
      subprotocol: mine.protocol
    }
    note(
      `connected in ${millis(openedAt - startedAt)}${mine.protocol === "" ? "" : `, subprotocol ${mine.protocol}`}`
    )
  })
  mine.addEventListener("message", (event: MessageEvent<string | ArrayBuffer>) => {
    take(typeof event.data === "string" ? event.data : new Uint8Array(event.data))
  })
  mine.addEventListener("close", (event) => {
    if (socket !== mine) return
    socket = undefined
    ended(event, openedAt, startedAt)
  })
}

/** Connects, with the query of a fault or without one. Throws if a subprotocol is none. */
export const connect = (query: string, subprotocols: ReadonlyArray<string>): void => {
  request = { query, subprotocols }
  attempt = 0
  dial()
}

/** Comes back now rather than later. */
export const hurry = (): void => {
  if (state.value.is === "waiting") dial()
}

/** Closes with 1000, or gives up what isn't open. */
export const disconnect = (): void => {
  clearTimeout(timer)
  const now = state.value
  if (now.is === "waiting") state.value = { is: "ended", ending: now.ending }
  if (socket === undefined) return
  state.value = { is: "closing", since: performance.now() }
  socket.close(1000)
}

/** Doesn't come back. */
export const stopReconnecting = (): void => {
  isReconnecting.value = false
  if (state.value.is === "waiting") disconnect()
}

/** Sends a message; whether it could. */
export const send = (payload: string | Uint8Array<ArrayBuffer>): boolean => {
  if (socket === undefined || socket.readyState !== WebSocket.OPEN) return false
  const entry = addMessage("sent", payload)
  totals.sent++
  roundTrips.sent(entry, payload, performance.now())
  socket.send(payload)
  changed()
  return true
}

/** Bytes that the browser has not sent yet. */
export const waitingBytes = (): number => socket?.bufferedAmount ?? 0

/** Forgets all messages and round trips. */
export const clear = (): void => {
  log.clear()
  plot.times = []
  plot.trips = []
  Object.assign(totals, { sent: 0, received: 0, lost: 0, extra: 0 })
  changed()
}

/** Says that something could not be done. */
export const complain = note
