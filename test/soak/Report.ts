/**
 * What a soak did, as a table.
 */
import * as Rest from "./Rest.js"
import type { Life, Outcome } from "./Soak.js"

const MIB = 1024 ** 2

const number = (value: number): string => Math.round(value).toLocaleString("en")
const mib = (bytes: number | undefined): string =>
  bytes === undefined ? "-" : `${(bytes / MIB).toFixed(1)} MiB`

type Row = readonly [what: string, value: string]

const counts = (found: ReadonlyMap<string, number>): ReadonlyArray<Row> =>
  [...found].sort(([, a], [, b]) => b - a).map(([what, count]) => [`  ${what}`, number(count)])

const memory = ({ rests, start }: Life, what: keyof typeof Rest.BOUNDS): string => {
  const grown = Rest.growth(rests, what)
  const trend =
    grown === undefined ? "too few cycles to tell whether it grows" : `${grown < 0 ? "" : "+"}${mib(grown)}`
  return `${[start, rests[0], rests.at(-1)].map((rest) => mib(rest?.[what])).join(", ")}; ${trend}`
}

const rowsOf = (life: Life, i: number): ReadonlyArray<Row> => [
  [`at rest in life ${i + 1}: start, after warm-up, end; growth`, ""],
  ["  resident memory", memory(life, "resident")],
  ["  memory used", memory(life, "used")],
  [
    "  file descriptors",
    [life.start, life.rests[0], life.rests.at(-1)].map((rest) => rest?.descriptors.length ?? "-").join(", ")
  ]
]

/** The rows, aligned. */
export const table = ({ lives, seconds, tally }: Outcome): string => {
  const rows: ReadonlyArray<Row> = [
    ["connections opened", number(tally.opened)],
    ["endings, as the server logged them", ""],
    ...counts(tally.endingsLogged),
    ["endings, as the peers saw them", ""],
    ...counts(tally.endingsSeen),
    ["messages sent", number(tally.sent)],
    ["messages echoed", number(tally.echoed)],
    ["bytes sent", mib(tally.bytesSent)],
    ["bytes echoed", mib(tally.bytesEchoed)],
    ["restarts", number(tally.restarts)],
    ["cycles of load and rest", number(tally.cycles)],
    ...lives.flatMap(rowsOf),
    ["seconds", seconds.toFixed(1)]
  ]
  const width = Math.max(...rows.map(([what]) => what.length))
  return rows.map(([what, value]) => `${what.padEnd(width)}  ${value}`.trimEnd()).join("\n")
}
