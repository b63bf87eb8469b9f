/**
 * The outcomes as tables (Markdown), or for machines.
 */
import * as Figures from "./Figures.js"

/** How a figure is shown. */
export interface Column {
  readonly figure: string
  readonly title: string
  readonly digits: number
  /** Also shown as so many times the yardstick's. */
  readonly hasRatio?: boolean
}

const rounded = (value: number, digits: number): string =>
  Number.isNaN(value)
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const cells = (
  outcome: Figures.Outcome,
  series: Figures.Series,
  columns: ReadonlyArray<Column>,
  yardstick: string
) =>
  columns.flatMap(({ digits, figure, hasRatio }) => [
    rounded(Figures.of(series, figure), digits),
    ...(hasRatio === true ? [`${rounded(Figures.ratio(outcome, series.peer, yardstick, figure), 2)} ×`] : [])
  ])

const row = (texts: ReadonlyArray<string>): string => `| ${texts.join(" | ")} |`

/** One table: a line a case and peer. */
export const table = (
  outcomes: ReadonlyArray<Figures.Outcome>,
  columns: ReadonlyArray<Column>,
  yardstick: string
): string => {
  const head = [
    "case",
    "server",
    ...columns.flatMap(({ hasRatio, title }) => [title, ...(hasRatio === true ? [`to ${yardstick}`] : [])])
  ]
  const lines = outcomes.flatMap((outcome) =>
    outcome.series.map((series, at) =>
      row([at === 0 ? outcome.name : "", series.peer, ...cells(outcome, series, columns, yardstick)])
    )
  )
  return [row(head), row(head.map((_, at) => (at < 2 ? "---" : "--:"))), ...lines].join("\n")
}
