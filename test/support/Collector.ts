/**
 * A collector of OpenTelemetry: takes OTLP over HTTP in JSON, and fails whoever doesn't keep to it
 * (https://opentelemetry.io/docs/specs/otlp/, and the mapping of Protocol Buffers to JSON).
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import type { AddressInfo } from "node:net"

export type Attributes = Readonly<Record<string, unknown>>

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: number
  /** In nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Attributes
  readonly events: ReadonlyArray<{
    readonly name: string
    readonly at: bigint
    readonly attributes: Attributes
  }>
  readonly status: number
}

export interface Collector {
  readonly port: number
  readonly spans: ReadonlyArray<Span>
  /** The last figures of sums, gauges and histograms, as `name{label="value"}`. */
  readonly figures: ReadonlyMap<string, number>
  readonly resources: ReadonlyArray<Attributes>
  /** Requests, with the bytes of their bodies. */
  readonly requests: ReadonlyArray<{
    readonly path: string
    readonly authorization: string | undefined
    readonly bytes: number
  }>
  /** What was wrong with what came. */
  readonly problems: ReadonlyArray<string>
}

type Json = Readonly<Record<string, unknown>>

const fail = (what: string, value: unknown): never => {
  throw new Error(`${what}: ${JSON.stringify(value)}`)
}
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const object = (value: unknown): Json => (isObject(value) ? value : fail("no object", value))
const list = (value: unknown): ReadonlyArray<Json> =>
  Array.isArray(value) ? value.map(object) : fail("no list", value)
const matching = (pattern: RegExp, value: unknown): string =>
  typeof value === "string" && pattern.test(value) ? value : fail(`not ${String(pattern)}`, value)
const numeric = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) ? value : fail("no number", value)
const numbers = (value: unknown): ReadonlyArray<number> =>
  Array.isArray(value) ? value.map(numeric) : fail("no numbers", value)
/** 64-bit numbers are strings in JSON. */
const nanos = (value: unknown): bigint => BigInt(matching(/^\d{19}$/, value))

const valueOf = (value: unknown): unknown => {
  const entries = Object.entries(object(value))
  const [[kind, content] = ["", undefined]] = entries
  if (entries.length !== 1) return fail("not one value", value)
  switch (kind) {
    case "stringValue":
      return typeof content === "string" ? content : fail("no string", content)
    case "boolValue":
      return typeof content === "boolean" ? content : fail("no boolean", content)
    case "intValue":
      return Number.isInteger(Number(content)) ? Number(content) : fail("no integer", content)
    case "doubleValue":
      return numeric(content)
    default:
      return fail("no value that is expected", value)
  }
}

const attributesOf = (value: unknown): Attributes => {
  const pairs = list(value).map(
    ({ key, value: content }) => [matching(/^[a-z0-9_.]+$/, key), valueOf(content)] as const
  )
  if (new Set(pairs.map(([key]) => key)).size !== pairs.length) fail("an attribute twice", value)
  return Object.fromEntries(pairs)
}

const spanOf = (json: Json): Span => {
  const start = nanos(json["startTimeUnixNano"])
  const end = nanos(json["endTimeUnixNano"])
  if (end < start) fail("ends before it starts", json)
  return {
    traceId: matching(/^(?!0{32})[0-9a-f]{32}$/, json["traceId"]),
    spanId: matching(/^(?!0{16})[0-9a-f]{16}$/, json["spanId"]),
    parentSpanId:
      json["parentSpanId"] === undefined ? undefined : matching(/^[0-9a-f]{16}$/, json["parentSpanId"]),
    name: matching(/./, json["name"]),
    kind: numeric(json["kind"]),
    start,
    end,
    attributes: attributesOf(json["attributes"]),
    events: list(json["events"]).map((event) => ({
      name: matching(/./, event["name"]),
      at: nanos(event["timeUnixNano"]),
      attributes: attributesOf(event["attributes"])
    })),
    status: numeric(object(json["status"])["code"])
  }
}

const series = (name: string, suffix: string, attributes: Attributes): string => {
  const labels = Object.entries(attributes).map(([key, value]) => `${key}="${String(value)}"`)
  return `${name}${suffix}${labels.length === 0 ? "" : `{${labels.join(",")}}`}`
}

const takeMetric = (figures: Map<string, number>, metric: Json): void => {
  const name = matching(/^[a-z_]+$/, metric["name"])
  const { gauge, histogram, sum } = metric
  if (histogram !== undefined) {
    for (const point of list(object(histogram)["dataPoints"])) {
      const attributes = attributesOf(point["attributes"])
      const counts = numbers(point["bucketCounts"])
      const bounds = numbers(point["explicitBounds"])
      if (counts.length !== bounds.length + 1) fail("buckets and bounds don't fit", metric)
      const count = numeric(point["count"])
      if (counts.reduce((total, one) => total + one, 0) !== count) fail("buckets don't add up", metric)
      nanos(point["timeUnixNano"])
      figures.set(series(name, "_count", attributes), count)
      figures.set(series(name, "_sum", attributes), numeric(point["sum"]))
    }
    return
  }
  if (sum !== undefined && object(sum)["aggregationTemporality"] !== 2) fail("not cumulative", metric)
  for (const point of list(object(sum ?? gauge)["dataPoints"])) {
    nanos(point["timeUnixNano"])
    const value = numeric(point["asInt"] ?? point["asDouble"])
    figures.set(series(name, "", attributesOf(point["attributes"])), value)
  }
}

/** Starts one on a free port of the loopback interface. It answers with a status, or not at all. */
export const make = (
  answer: () => number | undefined = () => 200
): Effect.Effect<Collector, never, Scope.Scope> =>
  Effect.gen(function* () {
    const spans: Array<Span> = []
    const figures = new Map<string, number>()
    const resources: Array<Attributes> = []
    const requests: Array<Collector["requests"][number]> = []
    const problems: Array<string> = []

    const take = (path: string, type: string | undefined, body: string): void => {
      if (type !== "application/json") fail("content-type", type)
      const data = object(JSON.parse(body))
      const isTraces = path.endsWith("/v1/traces")
      if (!isTraces && !path.endsWith("/v1/metrics")) fail("path", path)
      for (const one of list(data[isTraces ? "resourceSpans" : "resourceMetrics"])) {
        resources.push(attributesOf(object(one["resource"])["attributes"]))
        for (const scope of list(one[isTraces ? "scopeSpans" : "scopeMetrics"])) {
          if (isTraces) spans.push(...list(scope["spans"]).map(spanOf))
          else for (const metric of list(scope["metrics"])) takeMetric(figures, metric)
        }
      }
    }

    const server = http.createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const path = request.url ?? ""
        const body = Buffer.concat(chunks)
        requests.push({ path, authorization: request.headers.authorization, bytes: body.length })
        const status = answer()
        if (status === undefined) return
        try {
          if (status === 200) take(path, request.headers["content-type"], body.toString())
        } catch (error) {
          problems.push(String(error))
        }
        response.writeHead(status, { "content-type": "application/json" }).end("{}")
      })
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    const { port } = server.address() as AddressInfo
    return { port, spans, figures, resources, requests, problems }
  })
