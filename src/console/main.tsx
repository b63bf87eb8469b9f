/**
 * The console: one page on one server.
 */
import { render } from "preact"
import { useLayoutEffect, useRef } from "preact/hooks"
import * as Admin from "./Admin.js"
import { ConnectionsPanel } from "./ConnectionsPanel.js"
import { ConnectPanel, toggle } from "./ConnectPanel.js"
import { sendFile } from "./Composer.js"
import { MessagesPanel, togglePause } from "./MessagesPanel.js"
import { place, version } from "./Settings.js"

const focus = (id: string) => (): void => document.querySelector<HTMLElement>(`#${id}`)?.focus()

/** With Alt, by their places on the keyboard: on some systems Alt makes another letter of them. */
const shortcuts: ReadonlyArray<readonly [code: string, key: string, does: string, () => void]> = [
  ["KeyC", "C", "connect or close", toggle],
  ["KeyX", "X", "choose a fault", focus("fault")],
  ["KeyM", "M", "write a message", focus("message")],
  [
    "KeyL",
    "L",
    "the list of messages: arrows move, Enter shows the whole message, Esc hides it",
    focus("messages")
  ],
  ["KeyP", "P", "pause or follow the messages", togglePause],
  ["KeyT", "T", "the table of connections; up and down lead from a button to the next row's", focus("table")]
]

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes("Files") === true

/** Files may be dropped anywhere: a browser would leave the page for one that missed its place. */
const onDragOver = (event: DragEvent): void => {
  if (hasFiles(event)) event.preventDefault()
}

const onDrop = (event: DragEvent): void => {
  if (!hasFiles(event)) return
  event.preventDefault()
  for (const file of event.dataTransfer?.files ?? []) void sendFile(file)
}

const App = () => {
  const dialog = useRef<HTMLDialogElement>(null)
  // Not after the first picture, as `useEffect` would: a key that is pressed at once counts too.
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      // What is behind the dialog can't be seen to do anything.
      if (dialog.current?.open === true || !event.altKey || event.ctrlKey || event.metaKey || event.shiftKey)
        return
      const shortcut = shortcuts.find(([code]) => code === event.code)
      if (event.code === "KeyK") dialog.current?.showModal()
      else if (shortcut === undefined) return
      else shortcut[3]()
      event.preventDefault()
    }
    addEventListener("keydown", onKeyDown)
    addEventListener("dragover", onDragOver)
    addEventListener("drop", onDrop)
    return () => {
      removeEventListener("keydown", onKeyDown)
      removeEventListener("dragover", onDragOver)
      removeEventListener("drop", onDrop)
    }
  }, [])
  return (
    <>
      <header class="top">
        <h1>answerback</h1>
        <span class="mono quiet where">{place}</span>
        <span class="quiet version">{version}</span>
        <button type="button" aria-keyshortcuts="Alt+K" onClick={() => dialog.current?.showModal()}>
          Keys
        </button>
      </header>
      <main>
        <ConnectPanel />
        <MessagesPanel />
        <ConnectionsPanel />
      </main>
      <dialog ref={dialog} aria-labelledby="keys-title">
        <h2 id="keys-title">Keys</h2>
        <dl class="keys">
          {[...shortcuts.map(([, key, does]) => [key, does] as const), ["K", "these keys"] as const].map(
            ([key, does]) => (
              <div key={key}>
                <dt>
                  <kbd>Alt</kbd> <kbd>{key}</kbd>
                </dt>
                <dd>{does}</dd>
              </div>
            )
          )}
          <div>
            <dt>
              <kbd>Enter</kbd>
            </dt>
            <dd>in the message: send it; with Shift, a new line</dd>
          </div>
        </dl>
        <form method="dialog">
          <button>Close</button>
        </form>
      </dialog>
    </>
  )
}

const root = document.querySelector("#app")
if (root !== null) render(<App />, root)
Admin.start()
