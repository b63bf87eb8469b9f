/**
 * Which rows of a long list are to be drawn.
 */

/** Rows beyond the edges, so that scrolling shows no gaps. */
const OVERSCAN = 8

export interface Window {
  readonly start: number
  readonly end: number
}

/** The rows that are in view, and some around them. */
export const windowOf = (count: number, rowHeight: number, scrollTop: number, height: number): Window => {
  const first = Math.floor(Math.max(0, scrollTop) / rowHeight)
  const start = Math.max(0, Math.min(first, count) - OVERSCAN)
  return { start, end: Math.min(count, first + Math.ceil(height / rowHeight) + OVERSCAN) }
}
