/**
 * The live table of all connections of the server.
 */
import { signal } from "@preact/signals"
import { useRef } from "preact/hooks"
import * as Admin from "./Admin.js"
import { chosen, faultParameters, isReadable } from "./FaultForm.js"
import { age, bytes, count } from "./Format.js"
import { type Row as RowOf, sorted, type SortKey, timeOf } from "./Roster.js"
import { useWindow } from "./useWindow.js"

const ROW = 26
const HEAD = 26

const columns: ReadonlyArray<readonly [SortKey, string, className: string]> = [
  ["id", "Id", "id"],
  ["remote", "Remote", "remote"],
  ["state", "State", "status"],
  ["age", "Age", "number"],
  ["messagesIn", "In", "number"],
  ["messagesOut", "Out", "number"],
  ["bytes", "Bytes", "number bytes"],
  ["bufferedBytes", "Buffered", "number bytes"]
]

const sort = signal<{ readonly key: SortKey; readonly isDescending: boolean }>({
  key: "id",
  isDescending: false
})
/** What stopped connections are told. */
export const code = signal("")
export const reason = signal("")

/** While somebody points at the rows or is on one, none moves: a stop must hit whom it was meant for. */
let held: ReadonlyArray<RowOf> | undefined
export const isHeld = signal(false)

const rowsNow = (): ReadonlyArray<RowOf> => {
  const { isDescending, key } = sort.value
  if (held === undefined) return sorted(Admin.roster.connections, key, isDescending)
  const known = new Set(held.map(({ id }) => id))
  const added = [...Admin.roster.connections].filter(({ id }) => !known.has(id))
  held = [...Admin.roster.held(held, Date.now()), ...added]
  return held
}

const Row = ({ connection, index }: { readonly connection: RowOf; readonly index: number }) => {
  const isGone = connection.state === "closed"
  const fault = chosen.value
  return (
    <tr class={isGone ? "gone" : ""} aria-rowindex={index + 2} data-id={connection.id}>
      <td class="id">{connection.id}</td>
      <td class="remote" title={connection.remote}>
        {connection.remote}
      </td>
      <td class={`status ${connection.state}`}>{connection.state}</td>
      <td class="number">{age((connection.endedAt ?? Date.now()) - timeOf(connection.openedAt))}</td>
      <td class="number">{count(connection.messagesIn)}</td>
      <td class="number">{count(connection.messagesOut)}</td>
      <td class="number">{bytes(connection.bytesIn + connection.bytesOut)}</td>
      <td class="number">{bytes(connection.bufferedBytes)}</td>
      <td class="actions">
        <button
          type="button"
          aria-label={`Stop ${connection.id}`}
          aria-disabled={isGone}
          onClick={() => void (isGone || Admin.stop(connection.id, code.value, reason.value))}
        >
          Stop
        </button>
        {fault?.isLive === true ? (
          <button
            type="button"
            aria-label={`Apply ${fault.kind} to ${connection.id}`}
            aria-disabled={isGone || !isReadable.value}
            onClick={() =>
              void (isGone || !isReadable.value || Admin.applyFault(connection.id, faultParameters.value))
            }
          >
            {fault.kind}
          </button>
        ) : null}
      </td>
    </tr>
  )
}

const headerOf = ([key, label, className]: (typeof columns)[number]) => {
  const { isDescending, key: sortedBy } = sort.value
  const isSorted = key === sortedBy
  return (
    <th
      key={key}
      class={className}
      scope="col"
      aria-sort={isSorted ? (isDescending ? "descending" : "ascending") : "none"}
    >
      <button type="button" onClick={() => (sort.value = { key, isDescending: isSorted && !isDescending })}>
        {label}
        <span aria-hidden="true">{isSorted ? (isDescending ? "↓" : "↑") : ""}</span>
      </button>
    </th>
  )
}

/** Up and down lead from a row's button to the same of the next row. */
const onKeyDown = (event: KeyboardEvent): void => {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
  const button = event.target
  if (step === 0 || !(button instanceof HTMLButtonElement)) return
  const row = button.closest("tr")
  const neighbour = step > 0 ? row?.nextElementSibling : row?.previousElementSibling
  const place = [...(row?.querySelectorAll("button") ?? [])].indexOf(button)
  const target = neighbour?.querySelectorAll("button")[place]
  if (target === undefined) return
  event.preventDefault()
  target.focus()
}

export const Table = () => {
  const scroller = useRef<HTMLDivElement>(null)
  void Admin.rosterRevision.value
  const rows = rowsNow()
  const { end, start } = useWindow(scroller, rows.length, ROW, HEAD)
  const hold = (): void => {
    held ??= [...rows]
    isHeld.value = true
  }
  const release = (): void => {
    const body = scroller.current?.querySelector("tbody")
    // A button that was clicked keeps the focus: only who uses the keyboard is on it for a while.
    const focused = document.activeElement
    const isOn = focused !== null && body?.contains(focused) === true && focused.matches(":focus-visible")
    if (body?.matches(":hover") === true || isOn) return
    held = undefined
    isHeld.value = false
    Admin.rosterRevision.value++
  }
  return (
    <div
      id="table"
      class={chosen.value?.isLive === true ? "table faulty" : "table"}
      tabIndex={0}
      role="region"
      aria-label="Table of connections"
      aria-keyshortcuts="Alt+T"
      ref={scroller}
      onKeyDown={onKeyDown}
    >
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(headerOf)}
            <th class="actions" scope="col">
              Actions
            </th>
          </tr>
        </thead>
        <tbody
          onMouseEnter={hold}
          onMouseLeave={release}
          onFocusIn={hold}
          onFocusOut={() => setTimeout(release)}
        >
          <tr aria-hidden="true" class="gap" style={{ height: `${start * ROW}px` }} />
          {rows.slice(start, end).map((connection, index) => (
            <Row key={connection.id} connection={connection} index={start + index} />
          ))}
          <tr aria-hidden="true" class="gap" style={{ height: `${(rows.length - end) * ROW}px` }} />
        </tbody>
      </table>
      {rows.length === 0 ? <p class="empty">Nobody is connected.</p> : null}
    </div>
  )
}
