/**
 * Stops all connections, once somebody is sure.
 */
import { signal } from "@preact/signals"
import { useLayoutEffect, useRef } from "preact/hooks"
import * as Admin from "./Admin.js"
import { count } from "./Format.js"
import { code, reason } from "./Table.js"

const isSure = signal(false)

const Confirmation = () => {
  const cancel = useRef<HTMLButtonElement>(null)
  // To what does no harm, since Enter may still be held down.
  useLayoutEffect(() => cancel.current?.focus(), [])
  return (
    <>
      <button
        type="button"
        class="danger"
        onClick={() => {
          isSure.value = false
          void Admin.stopAll(code.value, reason.value)
        }}
      >
        Stop {count(Admin.roster.count)} with {code.value || "1001"}
      </button>
      <button type="button" ref={cancel} onClick={() => (isSure.value = false)}>
        Cancel
      </button>
    </>
  )
}

export const StopAll = () => {
  void Admin.rosterRevision.value
  const place = useRef<HTMLSpanElement>(null)
  const wasAsked = useRef(false)
  const isNobody = Admin.roster.count === 0
  const isAsked = isSure.value && !isNobody
  useLayoutEffect(() => {
    // Who comes later isn't meant.
    if (isNobody) isSure.value = false
    // The button that had the focus is gone.
    if (wasAsked.current && !isAsked && document.activeElement === document.body)
      place.current?.querySelector("button")?.focus({ preventScroll: true })
    wasAsked.current = isAsked
  }, [isAsked, isNobody])
  return (
    <span
      class="row"
      ref={place}
      onKeyDown={({ key }) => {
        if (key === "Escape") isSure.value = false
      }}
    >
      {isAsked ? (
        <Confirmation />
      ) : (
        <button type="button" aria-disabled={isNobody} onClick={() => (isSure.value = !isNobody)}>
          Stop all…
        </button>
      )}
    </span>
  )
}
