/**
 * The form of faults, as far as this server lets anybody ask for them.
 */
import { computed, signal } from "@preact/signals"
import * as Admin from "./Admin.js"
import { type Fault, faults, initialValues, parameters, problemWith, type Values } from "./FaultTable.js"
import { settings } from "./Settings.js"

const groups = ["Endings", "Silence", "Handshake", "Echoes"] as const

export const chosen = signal<Fault | undefined>(undefined)
const values = signal<Values>({})

/** Whether a URL can ask for faults. */
const isInUrl = settings.faults === "clients"

/** Whether the form can be read. */
export const isReadable = computed(
  () =>
    chosen.value?.fields.every((field) => problemWith(field, values.value[field.name] ?? "") === undefined) ??
    true
)

/** The fault as JSON. */
export const faultParameters = computed(() =>
  chosen.value === undefined ? {} : parameters(chosen.value, values.value)
)

/** The query that asks for the fault. */
export const faultQuery = computed(() =>
  isInUrl ? new URLSearchParams(faultParameters.value).toString() : ""
)

const choose = (kind: string): void => {
  const fault = faults.find((fault) => fault.kind === kind)
  chosen.value = fault
  values.value = fault === undefined ? {} : initialValues(fault)
}

const Fields = ({ fault }: { readonly fault: Fault }) => (
  <div class="fields">
    {fault.fields.map((field) => {
      const text = values.value[field.name] ?? ""
      const problem = problemWith(field, text)
      const id = `fault-${field.name}`
      return (
        <div class={`field ${field.name}`} key={field.name}>
          <label for={id}>{field.label}</label>
          <input
            id={id}
            value={text}
            placeholder={field.empty}
            autocomplete="off"
            spellcheck={false}
            aria-describedby={`${id}-hint`}
            aria-invalid={problem !== undefined}
            onInput={(event) => {
              values.value = { ...values.value, [field.name]: event.currentTarget.value }
            }}
          />
          <span id={`${id}-hint`} class={problem === undefined ? "hint" : "hint bad"}>
            {problem ?? field.hint}
          </span>
        </div>
      )
    })}
  </div>
)

const Choice = () => (
  <div class="field">
    <label for="fault">Fault</label>
    <select
      id="fault"
      value={chosen.value?.kind ?? ""}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="">none</option>
      {groups.map((group) => {
        const offered = faults.filter((one) => one.group === group && (isInUrl || one.isLive))
        return offered.length === 0 ? null : (
          <optgroup label={group} key={group}>
            {offered.map(({ kind }) => (
              <option value={kind} key={kind}>
                {kind}
              </option>
            ))}
          </optgroup>
        )
      })}
    </select>
  </div>
)

export const FaultForm = () => {
  const fault = chosen.value
  if (settings.faults === "nobody")
    return (
      <p class="quiet">
        This server makes no faults: it was started with --faults off, or its program provides none.
      </p>
    )
  const isWelcome = Admin.access.value.is === "open"
  if (!isInUrl && !isWelcome)
    return <p class="quiet">The program of this server decides what goes wrong with its connections.</p>
  return (
    <div class="faults">
      <Choice />
      {fault === undefined ? (
        <p class="explain">
          {isInUrl
            ? "What is to go wrong with the next connection. Most faults can be applied to open ones, too, in the table of connections."
            : "The program of this server decides what goes wrong with new connections. A fault can be applied to open ones, in the table of connections."}
        </p>
      ) : (
        <>
          <p class="explain">
            {fault.does} <span class="quiet">This page sees: {fault.sees}</span>
          </p>
          <Fields fault={fault} />
        </>
      )}
    </div>
  )
}
