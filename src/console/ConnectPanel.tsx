/**
 * Connects and disconnects, and tells where the connection stands and how it ended.
 */
import { signal } from "@preact/signals"
import { useEffect, useState } from "preact/hooks"
import { ceiling, steps } from "./Backoff.js"
import { wordsFor } from "./CloseWords.js"
import { FaultForm, faultQuery, isReadable, Url } from "./FaultForm.js"
import { age, bytes, millis } from "./Format.js"
import * as Session from "./Session.js"
import { settings } from "./Settings.js"

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

const lines = (ending: Session.Ending): ReadonlyArray<string> => {
  if (!ending.wasOpen) {
    return [
      "The handshake failed, with 1006. A page is never told why: the server may have refused it, or hung, or be away.",
      ending.fault === "refuse" || ending.fault === "hang"
        ? `You had asked for ${ending.fault}. Clients that aren't browsers see the status.`
        : "The URL with curl -i, or the server's log at level debug, tells more."
    ]
  }
  const { advice, meaning } = wordsFor(ending.code)
  return [
    meaning,
    ending.code === 1009
      ? `This server takes at most ${bytes(settings.maxPayload)} in one message (--max-payload).`
      : `A good client: ${advice.charAt(0).toLowerCase()}${advice.slice(1)}`,
    ...(ending.fault === undefined ? [] : [`You had asked for ${ending.fault}.`])
  ]
}

const Ending = ({ ending }: { readonly ending: Session.Ending }) => (
  <>
    <p class="headline">
      <b class="code">{ending.code}</b>{" "}
      {ending.wasOpen ? wordsFor(ending.code).name || "Closed" : "Handshake failed"}
      {ending.reason === "" ? "" : `: “${ending.reason}”`}
    </p>
    {lines(ending).map((line) => (
      <p key={line}>{line}</p>
    ))}
    <p class="quiet">
      {ending.wasClean ? "Clean" : "Not clean"}; {ending.wasOpen ? "open" : "tried"} for{" "}
      {millis(ending.lasted)}; {ending.unanswered} unanswered.
    </p>
  </>
)

const Waiting = ({ state }: { readonly state: Extract<Session.State, { is: "waiting" }> }) => (
  <>
    <p class="headline">
      Attempt {state.attempt + 1} in {(Math.max(0, state.until - performance.now()) / 1000).toFixed(1)} s
    </p>
    <p>
      Waits {millis(state.wait)}, drawn from 0 to {millis(ceiling(state.attempt))}.
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
        Now
      </button>
      <button type="button" onClick={Session.stopReconnecting}>
        Give up
      </button>
    </p>
    <p class="quiet">
      Last: {state.ending.code} {state.ending.wasOpen ? wordsFor(state.ending.code).name : "Handshake failed"}
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
        <p class="quiet">Not connected. What you send comes back with the same type and the same bytes.</p>
      )
    case "connecting":
      return <p class="headline">Connecting… {(gone / 1000).toFixed(1)} s</p>
    case "open": {
      const waiting = Session.waitingBytes()
      return (
        <>
          <p class="headline">Connected for {age(gone)}</p>
          <p class="quiet">
            {waiting === 0 ? "Nothing waits to be sent." : `${bytes(waiting)} wait to be sent.`}
          </p>
        </>
      )
    }
    case "closing":
      return (
        <>
          <p class="headline">Closing… {(gone / 1000).toFixed(1)} s</p>
          <p class="quiet">Waits for the server's Close frame; Chromium gives it 60 s.</p>
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
  const { is } = Session.state.value
  return (
    <section class="panel connect" aria-labelledby="connect-title">
      <header>
        <h2 id="connect-title">Connect</h2>
        <span class={`state ${is}`}>
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
              class={is === "idle" || is === "ended" ? "primary main" : "main"}
              aria-keyshortcuts="Alt+C"
              aria-disabled={is === "closing" || !isReadable.value}
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
          {settings.faults ? <FaultForm /> : <p class="quiet">Faults are off on this server.</p>}
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
              {problem.value || "comma separated"}
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
