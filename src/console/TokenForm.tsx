/**
 * Asks for the token, where the server's API doesn't let this browser in without; or says why it doesn't at all.
 */
import { signal } from "@preact/signals"
import { useLayoutEffect } from "preact/hooks"
import type { Access } from "./Admin.js"
import * as Admin from "./Admin.js"

const typed = signal("")

/** Whether the last token was taken or forgotten by hand, and what the server makes of it isn't known yet. */
let isByHand = false

/** Takes another token, or none, as somebody has asked for. */
export const takeToken = (text: string): void => {
  isByHand = true
  Admin.useToken(text)
}

/** What was pressed may go away by what the server says: the focus goes on to what takes its place. */
export const useFocus = (access: Access): void => {
  useLayoutEffect(() => {
    if (!isByHand) return
    isByHand = false
    const { activeElement, body } = document
    // Who has gone elsewhere meanwhile is left there.
    if (activeElement !== body && activeElement?.closest(".everyone") === null) return
    document.querySelector<HTMLElement>(access.is === "open" ? "#table" : "#token, .again")?.focus()
  }, [access])
}

const Field = ({ isWrong }: { readonly isWrong: boolean }) => (
  <div class="field">
    <label for="token">Admin token</label>
    <div class="joined">
      <input
        id="token"
        type="password"
        autocomplete="off"
        value={typed.value}
        aria-describedby="refusal token-hint"
        aria-invalid={isWrong}
        onInput={(event) => (typed.value = event.currentTarget.value)}
      />
      <button class="primary">Use</button>
    </div>
    <span id="token-hint" class="hint">
      Kept for this tab only, and sent to this server only.
    </span>
  </div>
)

export const TokenForm = ({ access }: { readonly access: Extract<Access, { is: "refused" }> }) => {
  // Another status is not about the token.
  const isAsked = access.status === 401
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault()
        const text = typed.value
        typed.value = ""
        takeToken(text)
      }}
    >
      <p>
        {isAsked
          ? "Who is connected is shown to those who have the server's admin token."
          : "The server doesn't show this page who is connected."}
      </p>
      <p id="refusal" class={access.isWrong ? "bad" : "quiet"}>
        {access.status}: {access.message}
      </p>
      {isAsked ? <Field isWrong={access.isWrong} /> : <button class="again">Ask again</button>}
    </form>
  )
}
