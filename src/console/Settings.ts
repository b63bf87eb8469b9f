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

/** Where a client connects to, with a query or without. */
export const urlWith = (query: string): string =>
  `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${settings.endpoint}${query === "" ? "" : `?${query}`}`
