/**
 * How a connection ended, in sentences.
 */
import { wordsFor } from "./CloseWords.js"
import { bytes } from "./Format.js"
import type { Ending } from "./State.js"

/** What the ending is called. */
export const headlineOf = ({ code, wasOpen }: Ending): string =>
  wasOpen ? wordsFor(code).name || "Closed" : "Handshake failed"

/** What it says, and what a good client does. */
export const linesOf = (ending: Ending, maxPayload: number): ReadonlyArray<string> => {
  const asked = ending.fault === undefined ? [] : [`You had asked for ${ending.fault}.`]
  if (!ending.wasOpen) {
    return [
      ...asked,
      "A page is never told why: the server may have refused, hung or been away.",
      ...(ending.hadSubprotocols
        ? [
            "Or it has chosen none of the subprotocols: a browser takes that for a failure, though the server opened the connection."
          ]
        : []),
      "Other clients see the status; the server logs it at level debug."
    ]
  }
  const { advice, meaning } = wordsFor(ending.code)
  return [
    ...asked,
    meaning,
    ending.code === 1009
      ? `This server takes at most ${bytes(maxPayload)} in one message (--max-payload).`
      : `A good client ${advice}`
  ]
}
