/**
 * Connects and disconnects, and tells where the connection stands and how it ended.
 */
import { signal } from "@preact/signals"
import { useEffect, useState } from "preact/hooks"
import { ceiling, steps } from "./Backoff.js"
import { wordsFor } from "./CloseWords.js"
import { headlineOf, linesOf } from "./EndingWords.js"
import { FaultForm, faultQuery, isReadable } from "./FaultForm.js"
import { age, bytes, count, millis } from "./Format.js"
import * as Session from "./Session.js"
import { settings } from "./Settings.js"
import type { Ending as Outcome, State } from "./State.js"
import { Url } from "./Url.js"

const subprotocols = signal("")
const problem = signal("")

/** Connects as the form says, or ends what there is. */
export const toggle = (): void => {
  const { is } = Session.state.value
  if (is !== "idle" && is !== "ended") return Session.disconnect()
  if (!isReadable.value) return
  const names = subprotocols.value.split(/[\s,]+/).filter((name) => name !== "")
  problem.value = ""
  try {
    Session.connect(faultQuery.value, names)
  } catch {
    problem.value = "a subprotocol is a word without blanks, and each comes once"
    Session.state.value = { is: "idle" }
  }
}

/** Draws a component again a few times a second, for as long as something goes on. */
const useTicks = (isRunning: boolean): void => {
  const [, tick] = useState(0)
  useEffect(() => {
    if (!isRunning) return
    const timer = setInterval(() => tick((ticks) => ticks + 1), 100)
    return () => clearInterval(timer)
  }, [isRunning])
}

const Ending = ({ ending }: { readonly ending: Outcome }) => (
  <>
    <p class="headline">
      <b class="code">{ending.code}</b> {headlineOf(ending)}
      {ending.reason === "" ? "" : `: “${ending.reason}”`}
    </p>
    {linesOf(ending, settings.maxPayload).map((line) => (
      <p key={line}>{line}</p>
    ))}
    <p class="quiet">
      {ending.wasOpen ? "Open" : "Tried"} for {millis(ending.lasted)}
      {ending.wasOpen
        ? `, ended ${ending.wasClean ? "with" : "without"} a close handshake, ${count(ending.unanswered)} unanswered`
        : ""}
      .
    </p>
  </>
)

const Waiting = ({ state }: { readonly state: Extract<State, { is: "waiting" }> }) => (
  <>
    <p class="headline">
      {`Attempt ${state.attempt + 1} in ${(Math.max(0, state.until - performance.now()) / 1000).toFixed(1)} s`}
    </p>
    <p>
      Waits {millis(state.wait)}, drawn from 0 to {ceiling(state.attempt) / 1000} s:
    </p>
    <ol class="steps" aria-label="Back-off, in seconds">
      {steps.map((step, index) => (
        <li
          key={step}
          aria-current={Math.min(state.attempt, steps.length - 1) === index ? "step" : undefined}
        >
          {step / 1000}
        </li>
      ))}
    </ol>
    <p class="row">
      <button type="button" onClick={Session.hurry}>
        Try now
      </button>
    </p>
    <p class="quiet">
      Last: {state.ending.code} {headlineOf(state.ending)}
    </p>
  </>
)

const Status = () => {
  const state = Session.state.value
  useTicks(state.is !== "idle" && state.is !== "ended")
  const gone = "since" in state ? performance.now() - state.since : 0
  switch (state.is) {
    case "idle":
      return (
        <p class="quiet">
          Not connected. A message that comes back as it was is counted as an echo, with the time that it
          took.
        </p>
      )
    case "connecting":
      return <p class="headline">{`Connecting… ${(gone / 1000).toFixed(1)} s`}</p>
    case "open": {
      const waiting = Session.waitingBytes()
      return (
        <>
          <p class="headline">Connected for {age(gone)}</p>
          {state.asked === "" ? null : <p class="asked">Asked for {state.asked}</p>}
          {state.subprotocol === "" ? null : <p class="asked">Subprotocol {state.subprotocol}</p>}
          {waiting === 0 ? null : <p class="quiet">{`${bytes(waiting)} wait in the browser to be sent.`}</p>}
        </>
      )
    }
    case "closing":
      return (
        <>
          <p class="headline">{`Closing… ${(gone / 1000).toFixed(1)} s`}</p>
          <p class="quiet">Waits for the server's Close frame. Chromium gives up after 60 s.</p>
        </>
      )
    case "waiting":
      return <Waiting state={state} />
    case "ended":
      return <Ending ending={state.ending} />
  }
}

const labels = {
  idle: "Connect",
  ended: "Connect",
  connecting: "Cancel",
  open: "Close",
  closing: "Closing…",
  waiting: "Give up"
}

/** What is said aloud when the state changes. */
const spoken = (): string => {
  const state = Session.state.value
  if (state.is === "open") return "connected"
  if (state.is === "ended" || state.is === "waiting")
    return `ended with ${state.ending.code} ${wordsFor(state.ending.code).name}`
  return state.is === "idle" ? "" : state.is
}

export const ConnectPanel = () => {
  const state = Session.state.value
  const { is } = state
  const isApart = is === "idle" || is === "ended"
  // That a connection ended as it should is nothing to be alarmed by.
  const isCalm = state.is === "ended" && state.ending.code === 1000
  return (
    <section class="panel connect" aria-labelledby="connect-title">
      <header>
        <h2 id="connect-title">Connect</h2>
        <span class={`state ${is}${isCalm ? " calm" : ""}`}>
          {is === "waiting" ? "reconnecting" : is === "idle" ? "not connected" : is}
        </span>
      </header>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          toggle()
        }}
      >
        <div class="body">
          <Url />
          <div class="row">
            <button
              class={isApart ? "primary main" : "main"}
              aria-keyshortcuts="Alt+C"
              aria-disabled={is === "closing" || (isApart && !isReadable.value)}
            >
              {labels[is]}
            </button>
            <label class="check">
              <input
                type="checkbox"
                checked={Session.isReconnecting.value}
                onChange={(event) => {
                  if (event.currentTarget.checked) Session.isReconnecting.value = true
                  else Session.stopReconnecting()
                }}
              />
              Reconnect, with back-off
            </label>
          </div>
        </div>
        <div class="ending">
          <Status />
        </div>
        <div class="body">
          <FaultForm />
          <div class="field">
            <label for="subprotocols">Subprotocols</label>
            <input
              id="subprotocols"
              value={subprotocols.value}
              autocomplete="off"
              spellcheck={false}
              placeholder="none"
              aria-describedby="subprotocols-hint"
              onInput={(event) => (subprotocols.value = event.currentTarget.value)}
            />
            <span id="subprotocols-hint" class={problem.value === "" ? "hint" : "hint bad"}>
              {problem.value || "separated by commas, the preferred one first"}
            </span>
          </div>
        </div>
      </form>
      <div role="status" class="unseen">
        {spoken()}
      </div>
    </section>
  )
}
