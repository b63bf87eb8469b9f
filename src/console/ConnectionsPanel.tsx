/**
 * The connections of the server, where its API lets this browser in; else a field for the token.
 */
import * as Admin from "./Admin.js"
import { count } from "./Format.js"
import { code, isHeld, reason, Table } from "./Table.js"
import { StopAll } from "./StopAll.js"
import { takeToken, TokenForm, useFocus } from "./TokenForm.js"

const Bar = () => {
  void Admin.rosterRevision.value
  const { closed, count: open, isBehind, opened } = Admin.roster
  const more = isBehind ? "more than " : ""
  return (
    <div class="bar">
      <span>
        <b>{count(open)}</b> open
        <span class="quiet">
          , {more}
          {count(opened)} opened and {more}
          {count(closed)} closed
          <span class="since"> since this page was opened</span>
        </span>
      </span>
      <span class="row">
        <label>
          code{" "}
          <input
            class="short"
            inputMode="numeric"
            placeholder="1001"
            value={code.value}
            onInput={(event) => (code.value = event.currentTarget.value)}
          />
        </label>
        <label>
          reason{" "}
          <input
            class="medium"
            value={reason.value}
            placeholder="optional"
            onInput={(event) => (reason.value = event.currentTarget.value)}
          />
        </label>
        <StopAll />
      </span>
    </div>
  )
}

export const ConnectionsPanel = () => {
  const access = Admin.access.value
  const isOpen = access.is === "open"
  const outcome = Admin.outcome.value
  useFocus(access)
  return (
    <section class="panel everyone" aria-labelledby="everyone-title">
      <header>
        <h2 id="everyone-title">Connections</h2>
        <span class="row">
          {Admin.token.value === "" || !isOpen ? null : (
            <button type="button" onClick={() => takeToken("")}>
              Forget token
            </button>
          )}
          <span class={`state ${access.is}`}>{isOpen ? "live" : access.is}</span>
        </span>
      </header>
      {access.is === "refused" ? (
        <TokenForm access={access} />
      ) : isOpen ? (
        <>
          <Bar />
          <Table />
          <p role="status" class="outcome quiet" title={outcome}>
            {outcome || (isHeld.value ? "While you point at a row, none moves." : "")}
          </p>
        </>
      ) : (
        <p class="empty">
          {access.is === "asking" ? "Asking the server…" : `${access.message} Trying again.`}
        </p>
      )}
    </section>
  )
}
