/**
 * Sends: text, bytes, a file, or a message again and again.
 */
import { computed, signal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { bytes, fromHex } from "./Format.js"
import { INTERVALS, intervalOf, TIMES, timesOf } from "./Repeat.js"
import * as Session from "./Session.js"
import { settings } from "./Settings.js"

const text = signal("hello {n}")
const isHex = signal(false)
const problem = signal("")
const interval = signal("100ms")
const times = signal("")
const every = computed(() => intervalOf(interval.value))
const last = computed(() => timesOf(times.value))
const isRepeatable = computed(() => every.value !== undefined && last.value !== undefined)
const repeating = signal<ReturnType<typeof setInterval> | undefined>(undefined)

const NO_HEX = "hex is pairs of 0-9 and a-f"

/** Sends what stands in the field, with a number of its own: it tells messages apart that get lost. */
const sendWritten = (number: number): boolean => {
  problem.value = ""
  if (!isHex.value) return Session.send(text.value.replaceAll("{n}", String(number)))
  const data = fromHex(text.value)
  if (data !== undefined) return Session.send(data)
  problem.value = NO_HEX
  return false
}

/** The number of the next message that is sent by hand. */
let next = 1

const sendOnce = (): void => {
  if (sendWritten(next)) next++
  else if (!Session.isOpen.value) problem.value = "not sent: connect first"
}

/** Bytes that may wait in the browser while messages are sent as fast as can be. */
const AHEAD = 1024 ** 2
/** How long they are sent without a pause, in milliseconds: what comes and what is seen have their turn in between. */
const BURST = 10

const stopRepeating = (): void => {
  clearInterval(repeating.value)
  repeating.value = undefined
}

/** Sends the message again and again, if it can be read how often. */
const repeat = (): void => {
  const [period, count] = [every.value, last.value]
  if (period === undefined || count === undefined) return
  let number = 0
  const once = (): void => {
    if (++number > count || !sendWritten(number)) stopRepeating()
  }
  repeating.value = setInterval(() => {
    if (period > 0) return once()
    const until = performance.now() + BURST
    while (repeating.value !== undefined && Session.waitingBytes() < AHEAD && performance.now() < until)
      once()
  }, period)
}

/** Sends a file as one binary message. */
export const sendFile = async (file: File): Promise<void> => {
  if (file.size > settings.maxPayload)
    Session.complain(
      `${file.name} has ${bytes(file.size)}, more than the ${bytes(settings.maxPayload)} that the server takes in one message: it closes with 1009`
    )
  try {
    if (!Session.send(new Uint8Array(await file.arrayBuffer())))
      Session.complain(`${file.name} was not sent: connect first`)
  } catch {
    Session.complain(`${file.name} could not be read`)
  }
}

export const Composer = () => {
  const isOpen = Session.isOpen.value
  const wrong =
    problem.value || (every.value === undefined ? INTERVALS : last.value === undefined ? TIMES : "")
  useEffect(() => {
    if (!isOpen) stopRepeating()
    problem.value = ""
  }, [isOpen])
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        sendOnce()
      }}
    >
      <textarea
        id="message"
        aria-label="Message"
        aria-keyshortcuts="Alt+M"
        aria-invalid={problem.value === NO_HEX}
        aria-describedby="message-hint"
        rows={2}
        spellcheck={false}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
          event.preventDefault()
          sendOnce()
        }}
      />
      <div class="row">
        <button class={isOpen ? "send primary" : "send"} aria-disabled={!isOpen}>
          Send
        </button>
        <select
          aria-label="Send as"
          value={isHex.value ? "hex" : "text"}
          onChange={(event) => (isHex.value = event.currentTarget.value === "hex")}
        >
          <option value="text">as text</option>
          <option value="hex">as hex</option>
        </select>
        <label class={isOpen ? "button" : "button off"}>
          File…
          <input
            type="file"
            multiple
            class="unseen"
            disabled={!isOpen}
            onChange={(event) => {
              for (const file of event.currentTarget.files ?? []) void sendFile(file)
              event.currentTarget.value = ""
            }}
          />
        </label>
        <span class="repeat">
          <button
            type="button"
            aria-disabled={repeating.value === undefined && !(isOpen && isRepeatable.value)}
            aria-pressed={repeating.value !== undefined}
            onClick={() => (repeating.value === undefined ? isOpen && repeat() : stopRepeating())}
          >
            {repeating.value === undefined ? "Repeat" : "Stop"}
          </button>
          <label>
            every{" "}
            <input
              class="interval"
              autocomplete="off"
              spellcheck={false}
              aria-describedby="message-hint"
              aria-invalid={every.value === undefined}
              value={interval.value}
              onInput={(event) => (interval.value = event.currentTarget.value)}
            />
          </label>
          <label>
            <input
              class="short"
              inputMode="numeric"
              placeholder="∞"
              aria-describedby="message-hint"
              aria-invalid={last.value === undefined}
              value={times.value}
              onInput={(event) => (times.value = event.currentTarget.value)}
            />{" "}
            times
          </label>
        </span>
      </div>
      <span id="message-hint" class={wrong === "" ? "hint" : "hint bad"}>
        {wrong ||
          "Enter sends, Shift+Enter breaks the line; a dropped file is one message. {n} counts, to tell echoes apart."}
      </span>
    </form>
  )
}
