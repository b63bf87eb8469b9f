/**
 * Traces and metrics for a collector of OpenTelemetry, by OTLP over HTTP in JSON. Loaded only when it is asked for.
 */
import * as OtlpMetrics from "@effect/opentelemetry/OtlpMetrics"
import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import * as OtlpTracer from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { VERSION } from "../Version.js"

/** Where to, and until when. */
export interface OtlpOptions {
  /** What the collector listens at: `http://host:4318`. A user and a password in it are sent as such. */
  readonly url: URL
  /** How many milliseconds a shutdown may still take. */
  readonly timeLeft: () => number
  /** How many bytes of traces may wait for the collector; see `roomFor`. */
  readonly mostWaiting: number
}

/** How long a collector may take to answer. */
const PATIENCE = Duration.seconds(5)

/** How often, and how long after one another, what didn't arrive is sent once more. */
const RETRIES = { times: 3, schedule: Schedule.spaced(Duration.seconds(1)) }

/** How many spans are sent at once, and wait at most before they are. */
const MAX_BATCH = 1000

/** What the spans of a connection take in JSON, and some more. */
const OF_A_CONNECTION = 3 * 1024

/**
 * How many bytes of traces may wait for a collector: those of some 5,000 connections, and of all that there may be,
 * which can end in one moment; of 10,000 if there may be any number.
 */
export const roomFor = (maxConnections: number): number =>
  OF_A_CONNECTION * (5000 + (Number.isFinite(maxConnections) ? maxConnections : 10_000))

/** Whether something may be sent once more, and soon: OTLP/HTTP, section "Retryable Response Codes". */
const isPassing = (error: HttpClientError.HttpClientError): boolean =>
  error._tag === "RequestError" || [502, 503, 504].includes(error.response.status)

/**
 * Says once that the collector can't be reached, and then that it can be again; and bounds what waits for it.
 *
 * The exporter begins a request for each batch of spans, however many have not been answered, and keeps those that
 * fail to send them again. What fails here for good is a defect to it: then it drops what it has and what comes for a
 * minute, and keeps nothing.
 */
const watched = (where: string, mostWaiting: number) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => {
      let isAway = false
      /** Bytes that have been handed over and not been answered. Metrics wait for one another, traces don't. */
      const waiting = new Map<string, number>()
      const tell = (problem: string) =>
        Effect.suspend(() => {
          if (isAway) return Effect.void
          isAway = true
          const line = Effect.logWarning(
            "traces and metrics can't be exported: they are dropped until they can"
          )
          return Effect.annotateLogs(line, { url: where, problem })
        })
      const back = Effect.suspend(() => {
        if (!isAway) return Effect.void
        isAway = false
        return Effect.annotateLogs(Effect.logInfo("traces and metrics are exported again"), { url: where })
      })
      return HttpClient.transform(client, (response, request) => {
        const failed = (description: string) =>
          new HttpClientError.RequestError({ request, reason: "Transport", description })
        // Not the error's own message: it names the request, and what is in it.
        const told = <A>(effect: Effect.Effect<A, HttpClientError.HttpClientError>) =>
          Effect.tapError(effect, ({ description }) => tell(description ?? "it can't be reached"))
        const sent = response.pipe(
          Effect.timeoutFail({
            duration: PATIENCE,
            onTimeout: () => failed(`no answer within ${Duration.toSeconds(PATIENCE)} s`)
          }),
          Effect.filterOrFail(
            ({ status }) => status >= 200 && status <= 299,
            (response) => {
              const description = `status ${response.status}`
              return new HttpClientError.ResponseError({
                request,
                response,
                reason: "StatusCode",
                description
              })
            }
          ),
          told,
          Effect.retry({ ...RETRIES, while: isPassing }),
          Effect.tap(back)
        )
        return Effect.suspend(() => {
          const { body, url } = request
          const size = body._tag === "Uint8Array" ? body.contentLength : 0
          const change = (by: number): void => void waiting.set(url, (waiting.get(url) ?? 0) + by)
          if ((waiting.get(url) ?? 0) + size > mostWaiting) {
            return told(Effect.fail(failed(`more than ${mostWaiting} bytes wait for an answer`)))
          }
          change(size)
          return Effect.ensuring(
            sent,
            Effect.sync(() => change(-size))
          )
        }).pipe(Effect.orDie)
      })
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

/** Exports until the scope closes; then what is pending, for as long as there is time. */
export const layer = ({ mostWaiting, timeLeft, url }: OtlpOptions): Layer.Layer<never> => {
  const base = `${url.origin}${url.pathname.replace(/\/+$/, "")}`
  const credentials = [url.username, url.password].map(decodeURIComponent).join(":")
  const common = {
    resource: {
      serviceName: "answerback",
      serviceVersion: VERSION,
      // Each process counts for itself: without it a collector would take the figures of several for those of one.
      attributes: { "service.instance.id": randomUUID() }
    },
    ...(credentials === ":"
      ? {}
      : { headers: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` } }),
    // Bounded as a whole, below.
    shutdownTimeout: Duration.minutes(1)
  }
  const exporters = Layer.mergeAll(
    OtlpTracer.layer({ ...common, url: `${base}/v1/traces`, maxBatchSize: MAX_BATCH }),
    OtlpMetrics.layer({ ...common, url: `${base}/v1/metrics` })
  ).pipe(Layer.provide([OtlpSerialization.layerJson, watched(base, mostWaiting)]))
  return Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(Scope.make(), (scope) =>
        Scope.close(scope, Exit.void).pipe(
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeoutOption(Math.max(0, timeLeft()))
        )
      ),
      (scope) => Layer.effectContext(Layer.buildWithScope(exporters, scope))
    )
  )
}
