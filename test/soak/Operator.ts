/**
 * An operator, who stops one connection after the other by the admin API.
 */
import * as Effect from "effect/Effect"
import * as http from "node:http"
import type { Random } from "./Random.js"
import * as settings from "./settings.js"

export interface OperatorOptions {
  readonly port: number
  readonly random: Random
  /** The connection with that port of its peer may be stopped from now on. */
  readonly onStop: (port: number) => void
  readonly onProblem: (problem: string) => void
}

interface Listed {
  readonly id: string
  readonly remote: string
}

/** How often somebody is stopped, in milliseconds, and from among how many. */
const EVERY = 20
const PAGE = 100

const ask = (port: number, method: string, path: string) =>
  Effect.async<{ readonly status: number | undefined; readonly body: string }, Error>((resume) => {
    const request = http.request({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text: string) => (body += text))
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode, body })))
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end()
    return Effect.sync(() => request.destroy())
  })

const listed = (body: string): ReadonlyArray<Listed> => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the page that was asked for
  return (JSON.parse(body) as { readonly connections: ReadonlyArray<Listed> }).connections
}

/** Stops one of those who are there. */
export const act = ({ onProblem, onStop, port, random }: OperatorOptions): Effect.Effect<void> =>
  Effect.gen(function* () {
    const page = yield* ask(port, "GET", `/connections?limit=${PAGE}`)
    const found = listed(page.body)
    const one = found[random.between(0, found.length - 1)]
    if (one !== undefined) {
      const { id, remote } = one
      onStop(Number(/:(\d+)$/.exec(remote)?.[1]))
      const { code, text } = settings.OPERATOR
      const answer = yield* ask(port, "DELETE", `/connections/${id}?code=${code}&reason=${text}`)
      // It may have ended meanwhile.
      if (answer.status !== 202 && answer.status !== 404) {
        onProblem(`the operator was answered ${answer.status}: ${answer.body}`)
      }
    }
  }).pipe(
    Effect.catchAll((error) => Effect.sync(() => onProblem(`the operator wasn't answered: ${error.message}`)))
  )

/** Stops one after the other, until it is interrupted. */
export const work = (options: OperatorOptions): Effect.Effect<never> =>
  Effect.forever(Effect.zipRight(act(options), Effect.sleep(EVERY)))
