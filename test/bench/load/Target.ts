/**
 * What a load is for, and what all of them need.
 */

/** Where, and which process. */
export interface Target {
  readonly port: number
  readonly pid: number
}

/** Waits so many milliseconds. */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
