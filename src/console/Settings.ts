/**
 * What the server has told this page of itself.
 */
declare const ANSWERBACK_VERSION: string

/** What the page knows of its server. */
export interface Settings {
  /** The path of the WebSocket endpoint. */
  readonly endpoint: string
  /** Who may ask for faults: clients in the URL and operators by the admin API, operators alone, or nobody. */
  readonly faults: "clients" | "operators" | "nobody"
  /** Largest message, in bytes. */
  readonly maxPayload: number
}

const content = document.querySelector<HTMLMetaElement>('meta[name="answerback"]')?.content ?? "{}"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server has written it
export const settings = JSON.parse(content) as Settings

/** The version of the package that this page was built with. */
export const version = ANSWERBACK_VERSION

/** The address of a path of the server: beside this page, since a proxy may have put the server below a path of its own. */
export const addressOf = (path: string): URL => new URL(`.${path}`, location.origin + location.pathname)

/** Where clients connect to. */
const endpoint = addressOf(settings.endpoint)
endpoint.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:"

/** What is connected to, without the scheme. */
export const place = `${endpoint.host}${endpoint.pathname}`

/** Where a client connects to, with a query or without. */
export const urlWith = (query: string): string => `${endpoint.href}${query === "" ? "" : `?${query}`}`
