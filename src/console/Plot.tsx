/**
 * Round-trip times, as a plot and in figures.
 */
import { useEffect, useRef } from "preact/hooks"
import UPlot from "uplot"
import { clock, count, millis } from "./Format.js"
import { figuresOf } from "./RoundTrips.js"
import * as Session from "./Session.js"

const HEIGHT = 110
/** The shortest time that is plotted, in seconds. */
const SHORTEST = 10
/** Distances of the times of day that are written below, in seconds. */
const DISTANCES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const timeOfDay = (seconds: number): string => clock(seconds * 1000).slice(0, "14:03:09".length)

const rangeOf = (times: ArrayLike<number>): [from: number, to: number] => {
  const to = times[times.length - 1] ?? 0
  return [Math.min(times[0] ?? to, to - SHORTEST), to]
}

const make = (element: HTMLElement): UPlot => {
  const axis = {
    stroke: () => colour("--quiet"),
    font: "11px ui-monospace, monospace",
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { show: false }
  }
  return new UPlot(
    {
      width: Math.max(100, element.clientWidth),
      height: HEIGHT,
      // Room for half of a time of day that stands below the end.
      padding: [8, 30, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: {
        x: { time: false, range: ({ data: [times] }) => rangeOf(times) },
        y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] }
      },
      axes: [
        { ...axis, size: 22, space: 80, incrs: DISTANCES, values: (_, ticks) => ticks.map(timeOfDay) },
        { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => `${tick} ms`) }
      ],
      series: [
        {},
        {
          stroke: () => colour("--accent"),
          width: 1.25,
          points: {
            show: (plot) => plot.data[0].length < 200,
            size: 4,
            fill: () => colour("--accent"),
            width: 0
          }
        }
      ]
    },
    [[], []],
    element
  )
}

const Canvas = ({ label }: { readonly label: string }) => {
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | undefined>(undefined)
  useEffect(() => {
    const place = element.current
    if (place === null) return
    const made = make(place)
    plot.current = made
    const observer = new ResizeObserver(() =>
      made.setSize({ width: Math.max(100, place.clientWidth), height: HEIGHT })
    )
    observer.observe(place)
    const scheme = matchMedia("(prefers-color-scheme: dark)")
    const redraw = (): void => made.redraw(true, true)
    scheme.addEventListener("change", redraw)
    return () => {
      observer.disconnect()
      scheme.removeEventListener("change", redraw)
      made.destroy()
    }
  }, [])
  const { times, trips } = Session.plot
  // Only when there is another: to draw takes longer than all else that the page does.
  useEffect(() => {
    plot.current?.setData([times, trips])
  }, [trips, trips.length])
  return <div class="canvas" role="img" aria-label={label} ref={element} />
}

export const Plot = () => {
  void Session.revision.value
  const figures = figuresOf(Session.plot.trips)
  const shown = (pick: (figures: NonNullable<ReturnType<typeof figuresOf>>) => number): string =>
    figures === undefined ? "–" : millis(pick(figures))
  const described =
    figures === undefined
      ? "Round-trip times: none yet"
      : `Round-trip times of ${count(figures.count)} messages: median ${millis(figures.median)}, highest ${millis(figures.max)}`
  return (
    <div class={figures === undefined ? "plot unplotted" : "plot"}>
      <dl class="figures">
        {(
          [
            ["last", shown(({ last }) => last)],
            ["min", shown(({ min }) => min)],
            ["median", shown(({ median }) => median)],
            ["p95", shown(({ p95 }) => p95)],
            ["max", shown(({ max }) => max)],
            ["sent", count(Session.totals.sent)],
            ["received", count(Session.totals.received)],
            ["lost", count(Session.totals.lost)],
            ["extra", count(Session.totals.extra)]
          ] as const
        ).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Canvas label={described} />
      {figures === undefined ? <p class="quiet">Round-trip times are plotted here.</p> : null}
    </div>
  )
}
