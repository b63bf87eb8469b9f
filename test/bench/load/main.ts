/**
 * The load generator as a process of its own, so that it shares no core and no garbage with whoever is measured. Does
 * what it is sent, one thing after the other.
 */
import * as BroadcastLoad from "./BroadcastLoad.js"
import * as EchoLoad from "./EchoLoad.js"
import * as FloodLoad from "./FloodLoad.js"
import * as IdleLoad from "./IdleLoad.js"
import * as OpenLoad from "./OpenLoad.js"
import * as StopLoad from "./StopLoad.js"

/** What can be asked for, and what is answered. */
export interface Jobs {
  readonly echo: (job: EchoLoad.EchoJob) => Promise<EchoLoad.EchoResult>
  readonly broadcast: (job: BroadcastLoad.BroadcastJob) => Promise<BroadcastLoad.BroadcastResult>
  readonly open: (job: OpenLoad.OpenJob) => Promise<OpenLoad.OpenResult>
  readonly flood: (job: FloodLoad.FloodJob) => Promise<FloodLoad.FloodResult>
  readonly stop: (job: StopLoad.StopJob) => Promise<StopLoad.StopResult>
  /** Opens connections in addition to those that are held; tells how many are. */
  readonly hold: (job: IdleLoad.IdleJob) => Promise<number>
  /** Waits until the server has ended all of them, and tells with which codes. */
  readonly ended: () => Promise<Readonly<Record<string, number>>>
  /** Ends them. */
  readonly release: () => Promise<void>
}

/** A job on its way. */
export interface Request {
  readonly kind: keyof Jobs
  readonly job?: never
}

/** Its answer on the way back. */
export type Response = { readonly result: unknown } | { readonly error: string }

let held: ReadonlyArray<IdleLoad.Held> = []

const jobs: Jobs = {
  echo: EchoLoad.run,
  broadcast: BroadcastLoad.run,
  open: OpenLoad.run,
  flood: FloodLoad.run,
  stop: StopLoad.run,
  hold: async (job) => {
    held = [...held, await IdleLoad.open(job)]
    return held.reduce((sum, { opened }) => sum + opened, 0)
  },
  ended: async () => {
    const codes: Record<string, number> = {}
    for (const found of await Promise.all(held.map(({ ended }) => ended)))
      for (const [code, count] of Object.entries(found)) codes[code] = (codes[code] ?? 0) + count
    held = []
    return codes
  },
  release: async () => {
    await Promise.all(held.map(({ release }) => release()))
    held = []
  }
}

const answer = async ({ job, kind }: Request): Promise<Response> => {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- whoever sends it goes by the table above
    return { result: await jobs[kind](job as never) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

process.on("message", (request: Request) => {
  void answer(request).then((response) => process.send?.(response))
})
process.on("disconnect", () => process.exit())
