/**
 * Connections as JSON, the same as the schema of the API makes of them, by hand: a page of a thousand, or a flood of
 * events, must not hold up the echoes.
 */
import type { ConnectionInfo } from "../registry/ConnectionInfo.js"

const time = (millis: number): string => new Date(millis).toISOString()

/** What is sent of a connection. */
export const toJson = (info: ConnectionInfo): Readonly<Record<string, unknown>> => ({
  ...info,
  openedAt: time(info.openedAt),
  lastMessageAt: info.lastMessageAt === null ? null : time(info.lastMessageAt)
})
