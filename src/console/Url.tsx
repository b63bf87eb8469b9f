/**
 * The URL of the next connection, all of it, ready to copy.
 */
import { signal } from "@preact/signals"
import { useRef } from "preact/hooks"
import { faultQuery } from "./FaultForm.js"
import { urlWith } from "./Settings.js"

/** How long the button says that it has copied, in milliseconds. */
const TOLD = 1500

const isCopied = signal(false)

/** Copies the text of an element, or leaves it selected. The clipboard's own API exists only on https and localhost. */
const copy = async (element: HTMLElement): Promise<void> => {
  try {
    await navigator.clipboard.writeText(element.textContent)
  } catch {
    getSelection()?.selectAllChildren(element)
    if (!document.execCommand("copy")) return
  }
  isCopied.value = true
  setTimeout(() => (isCopied.value = false), TOLD)
}

export const Url = () => {
  const place = useRef<HTMLOutputElement>(null)
  return (
    <div class="field">
      <label for="url">URL</label>
      <div class="joined">
        <output id="url" class="url mono" aria-live="off" ref={place}>
          {urlWith(faultQuery.value)}
        </output>
        <button
          type="button"
          class="copy"
          onClick={() => {
            if (place.current !== null) void copy(place.current)
          }}
        >
          {isCopied.value ? "Copied" : "Copy"}
        </button>
      </div>
    </div>
  )
}
