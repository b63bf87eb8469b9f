/**
 * The messages, both ways: a list that draws only what is in view.
 */
import { signal } from "@preact/signals"
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import { Composer } from "./Composer.js"
import { bytes, clock, count, dump, millis } from "./Format.js"
import type { Entry } from "./MessageLog.js"
import { Plot } from "./Plot.js"
import * as Session from "./Session.js"
import { useWindow } from "./useWindow.js"

const ROW = 22
/** What of a payload is shown: a browser doesn't like a megabyte in one element. */
const SHOWN = 16 * 1024

const isFollowing = signal(true)
const selected = signal<number | undefined>(undefined)
const isDetailed = signal(false)

const direction = { sent: "↑", received: "↓", event: "·" } as const

const tripOf = ({ fate, kind, roundTrip }: Entry): string =>
  roundTrip === undefined
    ? fate === "waiting"
      ? "…"
      : fate === "lost"
        ? "lost"
        : fate === "answered"
          ? "?"
          : kind === "received"
            ? "extra"
            : ""
    : millis(roundTrip)

const Row = ({
  entry,
  index,
  size
}: {
  readonly entry: Entry
  readonly index: number
  readonly size: number
}) => (
  <div
    id={`m${entry.number}`}
    role="option"
    class={`message ${entry.kind}${entry.fate === "lost" ? " lost" : ""}`}
    aria-selected={selected.value === entry.number}
    aria-posinset={index + 1}
    aria-setsize={size}
    onClick={() => {
      selected.value = entry.number
      isDetailed.value = true
    }}
  >
    <span class="at">{clock(entry.at)}</span>
    <span class="direction">
      <span aria-hidden="true">{direction[entry.kind]}</span>
      <span class="unseen">{entry.kind}</span>
    </span>
    <span class="type">{entry.kind === "event" ? "" : entry.isText ? "text" : "bin"}</span>
    <span class="size">{entry.kind === "event" ? "" : bytes(entry.size)}</span>
    <span
      class="trip"
      title={tripOf(entry) === "?" ? "Several alike wait: which was answered isn't known." : undefined}
    >
      {tripOf(entry)}
    </span>
    <span class="preview">{entry.preview}</span>
  </div>
)

const detailOf = ({ payload, preview }: Entry): string => {
  if (payload === undefined) return `${preview}\n(the rest had to make room for later messages)`
  if (typeof payload === "string")
    return payload.length > SHOWN
      ? `${payload.slice(0, SHOWN)}\n(and ${count(payload.length - SHOWN)} more characters)`
      : payload
  return (
    dump(payload, SHOWN) + (payload.length > SHOWN ? `\n(and ${bytes(payload.length - SHOWN)} more)` : "")
  )
}

const List = () => {
  const scroller = useRef<HTMLDivElement>(null)
  void Session.revision.value
  const follows = isFollowing.value
  const { dropped, entries } = Session.log
  const { end, start } = useWindow(scroller, entries.length, ROW)
  const [, redraw] = useState(0)
  const last = useRef({ top: 0, height: 0 })
  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return
    if (follows) element.scrollTop = element.scrollHeight
    // Cleared or trimmed lists, and those that become higher, scroll up by themselves.
    last.current = { top: element.scrollTop, height: element.clientHeight }
  })
  const select = (index: number): void => {
    const to = Math.max(0, Math.min(entries.length - 1, index))
    const entry = entries[to]
    const element = scroller.current
    if (entry === undefined || element === null) return
    selected.value = entry.number
    isFollowing.value = to === entries.length - 1
    if (to * ROW < element.scrollTop) element.scrollTop = to * ROW
    else if ((to + 1) * ROW > element.scrollTop + element.clientHeight)
      element.scrollTop = (to + 1) * ROW - element.clientHeight
    redraw((drawn) => drawn + 1)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const at = selected.value === undefined ? entries.length : selected.value - 1 - dropped
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? ROW) / ROW) - 1)
    const to: Readonly<Record<string, number>> = {
      ArrowUp: at - 1,
      ArrowDown: at + 1,
      PageUp: at - page,
      PageDown: at + page,
      Home: 0,
      End: entries.length - 1
    }
    const index = to[event.key]
    if (index !== undefined) select(index)
    else if (event.key === "Enter" || event.key === " ") isDetailed.value = selected.value !== undefined
    else if (event.key === "Escape") isDetailed.value = false
    else return
    event.preventDefault()
  }
  return (
    <div
      id="messages"
      class="messages"
      role="listbox"
      tabIndex={0}
      aria-label={`Messages, ${count(entries.length)}`}
      aria-keyshortcuts="Alt+L"
      aria-activedescendant={selected.value === undefined ? undefined : `m${selected.value}`}
      ref={scroller}
      onKeyDown={onKeyDown}
      onScroll={(event) => {
        const { clientHeight, scrollHeight, scrollTop } = event.currentTarget
        // A list that has another height has been scrolled by that, and is about to be drawn again.
        if (clientHeight !== last.current.height) return
        // Who scrolls up wants to read; what is added at the end scrolls nothing up.
        if (scrollTop + clientHeight >= scrollHeight - 2) isFollowing.value = true
        else if (scrollTop < last.current.top - 1) isFollowing.value = false
        last.current = { top: scrollTop, height: clientHeight }
      }}
    >
      <div class="spacer" role="presentation" style={{ height: `${entries.length * ROW}px` }}>
        <div role="presentation" style={{ transform: `translateY(${start * ROW}px)` }}>
          {entries.slice(start, end).map((entry, index) => (
            <Row key={entry.number} entry={entry} index={start + index} size={entries.length} />
          ))}
        </div>
      </div>
    </div>
  )
}

/** Hides the message, and goes back to the list: what had the focus is gone. */
const hideDetail = (): void => {
  isDetailed.value = false
  document.querySelector<HTMLElement>("#messages")?.focus({ preventScroll: true })
}

const Detail = () => {
  const entry = Session.log.entries[(selected.value ?? 0) - 1 - Session.log.dropped]
  if (!isDetailed.value || entry === undefined) return null
  return (
    <div
      class="detail"
      onKeyDown={({ key }) => {
        if (key === "Escape") hideDetail()
      }}
    >
      <header>
        <h3>
          {entry.kind === "event"
            ? "Event"
            : `${entry.kind === "sent" ? "Sent" : "Received"}, ${entry.isText ? "text" : "binary"}, ${bytes(entry.size)}`}
        </h3>
        <button type="button" onClick={hideDetail}>
          Close details
        </button>
      </header>
      <pre class={entry.isText ? "" : "dump"} tabIndex={0} aria-label="The whole message">
        {detailOf(entry)}
      </pre>
    </div>
  )
}

/** Follows the latest message, or stays where it is. */
export const togglePause = (): void => {
  isFollowing.value = !isFollowing.value
}

export const MessagesPanel = () => (
  <section class="panel talk" aria-labelledby="messages-title">
    <header>
      <h2 id="messages-title">Messages</h2>
      <span class="row">
        <button
          type="button"
          aria-pressed={!isFollowing.value}
          aria-keyshortcuts="Alt+P"
          onClick={togglePause}
        >
          {isFollowing.value ? "Pause" : "Follow"}
        </button>
        <button
          type="button"
          onClick={() => {
            selected.value = undefined
            isDetailed.value = false
            Session.clear()
          }}
        >
          Clear
        </button>
      </span>
    </header>
    <Plot />
    <div class="split">
      <List />
      <Detail />
    </div>
    <Composer />
  </section>
)
