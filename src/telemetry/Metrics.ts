/**
 * What is measured: every metric of this server, with what it says.
 *
 * They live in Effect's registry, which a process has one of. So a program around a server, and its exporters, see them
 * beside its own, and `/metrics` shows the program's own, too; several servers in one process are counted together.
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import type * as MetricPair from "effect/MetricPair"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type StopReason, tags } from "../protocol/StopReason.js"
import { VERSION } from "../Version.js"
import * as EventLoop from "./EventLoop.js"
import * as ProcessStats from "./ProcessStats.js"
import * as Prometheus from "./Prometheus.js"

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const NO_LABELS: Labels = []

const counter = (name: string, description: string) =>
  Metric.counter(name, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(name, { description })
const histogram = (name: string, description: string, buckets: ReadonlyArray<number>) =>
  Metric.histogram(name, MetricBoundaries.fromIterable(buckets), description)

const connections = gauge("answerback_connections", "WebSocket connections that are open now.")
const opened = counter("answerback_connections_opened_total", "Handshakes that were accepted.")
const closed = counter(
  "answerback_connections_closed_total",
  "Connections that have ended, by the reason for which they did."
)
const rejected = counter(
  "answerback_handshakes_rejected_total",
  "Handshakes that were refused, by the HTTP status of the answer."
)
const messages = counter(
  "answerback_messages_total",
  "Messages that were handed to the handler (in) and written (out)."
)
const bytes = counter("answerback_bytes_total", "Bytes of message payloads, in and out.")
const duration = histogram(
  "answerback_connection_duration_seconds",
  "How long connections lasted, from the handshake to the end of TCP.",
  [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400]
)
const stopTime = histogram(
  "answerback_stop_seconds",
  "How long connections took to end, from the stop signal, whatever gave it, to the end of TCP.",
  // With the default close timeout a handler may take 5 seconds, and the peer another 5.
  [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
)
const eventLoopDelay = histogram(
  "answerback_event_loop_delay_seconds",
  `How much later than asked for a timer of ${EventLoop.INTERVAL} ms was called.`,
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
)
const redis = gauge(
  "answerback_redis_up",
  "Whether other servers are seen through Redis: 1, or 0 while it is away. Only with --redis-url."
)
const buildInfo = gauge("answerback_build_info", "Always 1, with the versions of the server and of Node.")

// Names and words as Prometheus' own client libraries have them.
const cpu = counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
const cpuUser = counter("process_cpu_user_seconds_total", "Total user CPU time spent in seconds.")
const cpuSystem = counter("process_cpu_system_seconds_total", "Total system CPU time spent in seconds.")
const startTime = gauge(
  "process_start_time_seconds",
  "Start time of the process since unix epoch in seconds."
)
const residentMemory = gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
const virtualMemory = gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
const heap = gauge("process_heap_bytes", "Process heap size in bytes.")
const openFds = gauge("process_open_fds", "Number of open file descriptors.")
const maxFds = gauge("process_max_fds", "Maximum number of open file descriptors.")

/** What a connection has counted so far. */
export interface Counted {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** How a connection ended. */
export interface Ended {
  readonly reason: StopReason
  readonly durationMs: number
  /** From the stop signal to the end of TCP. */
  readonly stopMs: number
}

const label = (name: string, value: string): Labels => [MetricLabel.make(name, value)]

/** Labels are made here, from closed sets: there is no way for a peer to make one. */
const labelsOf = <K extends string | number>(
  name: string,
  values: ReadonlyArray<K>
): ReadonlyMap<K, Labels> => new Map(values.map((value) => [value, label(name, String(value))]))

const reasons = labelsOf("reason", tags)
/** The statuses that refusals of this server have. Clients may ask to be refused with any status there is. */
const statuses = labelsOf<number>("status", [400, 403, 404, 405, 408, 426, 429, 431, 500, 503])
const otherStatus = label("status", "other")
const directions = { in: label("direction", "in"), out: label("direction", "out") }

const flows = [
  { metric: messages, labels: directions.in, field: "messagesIn" },
  { metric: messages, labels: directions.out, field: "messagesOut" },
  { metric: bytes, labels: directions.in, field: "bytesIn" },
  { metric: bytes, labels: directions.out, field: "bytesOut" }
] as const

/** Brings a counter to where it is elsewhere. */
const advance = (metric: Metric.Metric.Counter<number>, to: number): void =>
  metric.unsafeUpdate(to - metric.unsafeValue(NO_LABELS).count, NO_LABELS)

const set = (metric: Metric.Metric.Gauge<number>, value: number | undefined): void => {
  if (value !== undefined) metric.unsafeUpdate(value, NO_LABELS)
}

const publishProcess = (): void => {
  const stats = ProcessStats.read()
  advance(cpu, stats.cpuUser + stats.cpuSystem)
  advance(cpuUser, stats.cpuUser)
  advance(cpuSystem, stats.cpuSystem)
  set(startTime, stats.startTime)
  set(residentMemory, stats.residentMemory)
  set(virtualMemory, stats.virtualMemory)
  set(heap, stats.heap)
  set(openFds, stats.openFds)
  set(maxFds, stats.maxFds)
}

/** Tells whether other servers are seen through Redis. */
export const redisIsUp = (isUp: boolean): void => set(redis, isUp ? 1 : 0)

/** All series are there from the start: what isn't there yet can't be told from what is lost. */
const announce = (): void => {
  for (const labels of reasons.values()) closed.unsafeUpdate(0, labels)
  for (const labels of [...statuses.values(), otherStatus]) rejected.unsafeUpdate(0, labels)
  for (const { labels, metric } of flows) metric.unsafeUpdate(0, labels)
  opened.unsafeUpdate(0, NO_LABELS)
  connections.unsafeModify(0, NO_LABELS)
  for (const metric of [duration, stopTime, eventLoopDelay]) metric.unsafeValue(NO_LABELS)
  buildInfo.unsafeUpdate(1, [...label("version", VERSION), ...label("node", process.versions.node)])
}

/** What Effect counts of itself, with names and without words of its own. */
const isOfEffect = ({ metricKey }: MetricPair.MetricPair.Untyped): boolean =>
  metricKey.name.startsWith("effect_fiber_")

const snapshot = (): ReadonlyArray<Prometheus.Family> =>
  Prometheus.familiesOf(Metric.unsafeSnapshot().filter((pair) => !isOfEffect(pair)))

/** Counts what becomes of the connections of one server. Synchronous. */
export class ServerMetrics {
  readonly #live = new Set<Counted>()
  /** What connections that have ended had counted. */
  readonly #ended = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }
  /** What of all that the registry has been told. */
  readonly #published = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }

  opened(connection: Counted): void {
    this.#live.add(connection)
    opened.unsafeUpdate(1, NO_LABELS)
    connections.unsafeModify(1, NO_LABELS)
  }

  closed(connection: Counted, { durationMs, reason, stopMs }: Ended): void {
    this.#live.delete(connection)
    for (const { field } of flows) this.#ended[field] += connection[field]
    connections.unsafeModify(-1, NO_LABELS)
    closed.unsafeUpdate(1, reasons.get(reason._tag) ?? NO_LABELS)
    duration.unsafeUpdate(durationMs / 1000, NO_LABELS)
    stopTime.unsafeUpdate(stopMs / 1000, NO_LABELS)
  }

  /** Counts a handshake that was refused. */
  rejected(status: number): void {
    rejected.unsafeUpdate(1, statuses.get(status) ?? otherStatus)
  }

  /**
   * Tells the registry what is counted elsewhere. Messages are counted in plain fields of their connections, which
   * costs a message next to nothing, and added up only when somebody looks.
   */
  publish(): void {
    const total = { ...this.#ended }
    for (const connection of this.#live) {
      total.messagesIn += connection.messagesIn
      total.messagesOut += connection.messagesOut
      total.bytesIn += connection.bytesIn
      total.bytesOut += connection.bytesOut
    }
    for (const { field, labels, metric } of flows) {
      metric.unsafeUpdate(total[field] - this.#published[field], labels)
      this.#published[field] = total[field]
    }
    publishProcess()
  }

  /** All metrics of the process. */
  families(): ReadonlyArray<Prometheus.Family> {
    this.publish()
    return snapshot()
  }
}

/** The metrics of a process that holds no connections. */
export const ofProcess = (): ReadonlyArray<Prometheus.Family> => {
  publishProcess()
  return snapshot()
}

/** How old figures of messages and of the process may be for who reads the registry otherwise than by a scrape. */
const FRESHNESS = "5 seconds"

/** Starts to measure, until the scope closes. */
export const make: Effect.Effect<ServerMetrics, never, Scope.Scope> = Effect.gen(function* () {
  announce()
  const metrics = new ServerMetrics()
  const publish = Effect.sync(() => metrics.publish())
  yield* Effect.addFinalizer(() => publish)
  yield* Effect.forkScoped(Effect.schedule(publish, Schedule.spaced(FRESHNESS)))
  yield* EventLoop.watch((seconds) => eventLoopDelay.unsafeUpdate(seconds, NO_LABELS))
  return metrics
})
