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
import * as Scope from "effect/Scope"
import { VERSION } from "../Version.js"

/** Where to, and until when. */
export interface OtlpOptions {
  /** What the collector listens at: `http://host:4318`. A user and a password in it are sent as such. */
  readonly url: URL
  /** How many milliseconds a shutdown may still take. */
  readonly timeLeft: () => number
}

/** How long a collector may take to answer. Without a limit, what is sent to one that hangs would pile up. */
const PATIENCE = Duration.seconds(5)

/** How many spans are sent at once, and wait at most before they are. */
const MAX_BATCH = 1000

/** What is pending at the end is sent even when the connections have taken all the time that there was: in milliseconds. */
const LAST_CHANCE = 250

const isFailure = (status: number): boolean => status < 200 || status > 299

/** Says once that the collector can't be reached, and then that it can be again. */
const watched = (where: string) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => {
      let isAway = false
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
      return HttpClient.transform(client, (response, request) =>
        response.pipe(
          Effect.timeoutFail({
            duration: PATIENCE,
            onTimeout: () =>
              new HttpClientError.RequestError({
                request,
                reason: "Transport",
                description: `no answer within ${Duration.toSeconds(PATIENCE)} s`
              })
          }),
          Effect.tap(({ status }) => (isFailure(status) ? tell(`status ${status}`) : back)),
          // Not the error's own message: it names the request, and what is in it.
          Effect.tapError((error) =>
            tell(
              error._tag === "RequestError" && error.description !== undefined
                ? error.description
                : "it can't be reached"
            )
          )
        )
      )
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))

/** Exports until the scope closes; then what is pending, for as long as there is time. */
export const layer = ({ timeLeft, url }: OtlpOptions): Layer.Layer<never> => {
  const base = `${url.origin}${url.pathname.replace(/\/+$/, "")}`
  const credentials = [url.username, url.password].map(decodeURIComponent).join(":")
  const common = {
    resource: { serviceName: "answerback", serviceVersion: VERSION },
    ...(credentials === ":"
      ? {}
      : { headers: { authorization: `Basic ${Buffer.from(credentials).toString("base64")}` } }),
    // Bounded as a whole, below.
    shutdownTimeout: Duration.minutes(1)
  }
  const exporters = Layer.mergeAll(
    OtlpTracer.layer({ ...common, url: `${base}/v1/traces`, maxBatchSize: MAX_BATCH }),
    OtlpMetrics.layer({ ...common, url: `${base}/v1/metrics` })
  ).pipe(Layer.provide([OtlpSerialization.layerJson, watched(base)]))
  return Layer.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(Scope.make(), (scope) =>
        Scope.close(scope, Exit.void).pipe(
          Effect.disconnect,
          Effect.interruptible,
          Effect.timeoutOption(Math.max(LAST_CHANCE, timeLeft()))
        )
      ),
      (scope) => Layer.effectContext(Layer.buildWithScope(exporters, scope))
    )
  )
}
