/**
 * One of the processes that share the connections of a server, seen from inside: what each process has to know.
 */
import { type Birth, type FromWorker, trust, VARIABLE } from "./Ipc.js"
import type { Packet } from "./Link.js"

/** Whether this process is one: whoever has the variable, but no primary, isn't. */
export const isOne = (): boolean => process.env[VARIABLE] !== undefined && process.connected

/** What it was born with. */
export const birth = (): Birth | undefined =>
  isOne() ? trust<Birth>(JSON.parse(process.env[VARIABLE] ?? "")) : undefined

/** Sends to the primary; tells if it is gone. */
export const send = (packet: Packet): boolean => {
  if (!process.connected) return false
  // Whoever gets no answer knows; without a function here, a primary that goes would be an error.
  process.send?.(packet, undefined, undefined, () => {})
  return true
}

/** Tells the primary why this can't be a worker, and calls back when it has been told. */
export const fail = (message: string, done: () => void): void => {
  const packet: Packet = { tell: { _tag: "Failed", message } satisfies FromWorker }
  if (process.connected) process.send?.(packet, undefined, undefined, done)
  else done()
}
