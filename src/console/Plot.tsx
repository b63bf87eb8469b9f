/**
 * Round-trip times, as a plot and in figures.
 */
import { useEffect, useRef } from "preact/hooks"
import UPlot from "uplot"
import { count, millis } from "./Format.js"
import { figuresOf } from "./RoundTrips.js"
import * as Session from "./Session.js"

const HEIGHT = 110

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

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
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: { x: { time: false }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [
        { ...axis, size: 22, values: (_, ticks) => ticks.map((tick) => `${tick} s`) },
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

export const Plot = () => {
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
  const revision = Session.revision.value
  useEffect(() => {
    plot.current?.setData([Session.plot.times, Session.plot.trips])
  }, [revision])
  const figures = figuresOf(Session.plot.trips)
  const shown = (pick: (figures: NonNullable<ReturnType<typeof figuresOf>>) => number): string =>
    figures === undefined ? "–" : millis(pick(figures))
  const described =
    figures === undefined
      ? "Round-trip times: none yet"
      : `Round-trip times of ${count(figures.count)} messages: median ${millis(figures.median)}, highest ${millis(figures.max)}`
  return (
    <div class="plot">
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
            ["unasked", count(Session.totals.unasked)]
          ] as const
        ).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="canvas" role="img" aria-label={described} ref={element} />
    </div>
  )
}
