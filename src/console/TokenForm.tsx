/**
 * Asks for the token, where the server's API doesn't let this browser in without.
 */
import { signal } from "@preact/signals"
import * as Admin from "./Admin.js"

const typed = signal("")

export const TokenForm = ({ message, status }: { readonly message: string; readonly status: number }) => (
  <form
    class="token"
    onSubmit={(event) => {
      event.preventDefault()
      const text = typed.value
      typed.value = ""
      Admin.useToken(text)
    }}
  >
    <p>
      The list of connections is not for everybody: the server answered {status}.{" "}
      <span class="quiet">{message}</span>
    </p>
    <div class="field">
      <label for="token">Admin token</label>
      <div class="joined">
        <input
          id="token"
          type="password"
          autocomplete="off"
          value={typed.value}
          aria-describedby="token-hint"
          onInput={(event) => (typed.value = event.currentTarget.value)}
        />
        <button class="primary">Use</button>
      </div>
      <span id="token-hint" class="hint">
        Kept for this tab only, and sent to this server only.
      </span>
    </div>
  </form>
)
