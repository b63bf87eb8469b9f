/**
 * The form of faults, and the URL that it makes.
 */
import { computed, signal } from "@preact/signals"
import { type Fault, faults, initialValues, parameters, problemWith, type Values } from "./FaultTable.js"
import { urlWith } from "./Settings.js"

const groups = ["Endings", "Silence", "Handshake", "Echoes"] as const

export const chosen = signal<Fault | undefined>(undefined)
const values = signal<Values>({})

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
export const faultQuery = computed(() => new URLSearchParams(faultParameters.value).toString())

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
        <div class="field" key={field.name}>
          <label for={id}>{field.label}</label>
          <input
            id={id}
            value={text}
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

export const FaultForm = () => {
  const fault = chosen.value
  return (
    <div class="faults">
      <div class="field">
        <label for="fault">Fault</label>
        <select id="fault" value={fault?.kind ?? ""} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">none: an honest echo</option>
          {groups.map((group) => (
            <optgroup label={group} key={group}>
              {faults
                .filter((one) => one.group === group)
                .map(({ kind }) => (
                  <option value={kind} key={kind}>
                    {kind}
                  </option>
                ))}
            </optgroup>
          ))}
        </select>
      </div>
      {fault === undefined ? (
        <p class="explain">Choose what shall go wrong with the next connection.</p>
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

const isCopied = signal(false)

/** Copies text; the clipboard's own API exists only on https and localhost. */
const copy = async (input: HTMLInputElement): Promise<void> => {
  try {
    await navigator.clipboard.writeText(input.value)
  } catch {
    input.select()
    document.execCommand("copy")
  }
  isCopied.value = true
  setTimeout(() => (isCopied.value = false), 1500)
}

/** The URL of the connection, ready to copy. */
export const Url = () => (
  <div class="field">
    <label for="url">URL</label>
    <div class="joined">
      <input id="url" class="mono" readOnly value={urlWith(faultQuery.value)} />
      <button
        type="button"
        class="copy"
        onClick={() => {
          const input = document.querySelector<HTMLInputElement>("#url")
          if (input !== null) void copy(input)
        }}
      >
        {isCopied.value ? "Copied" : "Copy"}
      </button>
    </div>
  </div>
)
