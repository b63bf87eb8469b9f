/**
 * A connection to Redis: the one door to its client.
 *
 * `@redis/client` is Redis' own, has no dependencies, and reads RESP 3, in which one connection both sends commands and
 * hears what is published: so commands and messages keep their order, and are there or not there together. What it does
 * about lost connections isn't used: a connection that has failed is thrown away, with all that waits on it, and the
 * next begins from nothing, so that nothing is sent twice or late.
 */
import { createClient } from "@redis/client"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"

/** How long Redis may take to connect, and to answer a command, in milliseconds. */
const PATIENCE = 2000

/** The longest message that is read, in bytes: an answer with a thousand connections has some 400 KB. */
const MOST_BYTES = 4 * 1024 ** 2

/** Where a Redis listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** How to speak with it. */
export interface Access {
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

/** Redis isn't there, or refuses. The problem names neither user nor password. */
export class RedisFailed extends Data.TaggedError("RedisFailed")<{
  readonly problem: string
  /** The node of a Redis Cluster that should be asked instead. */
  readonly moved?: Address
}> {}

/** What Redis runs: once it is known it is called by its hash. */
export interface Script {
  readonly text: string
  readonly hash: string
}

/** Names a script by its hash. */
export const script = (text: string): Script => ({
  text,
  hash: createHash("sha1").update(text).digest("hex")
})

/** A connection that is open. */
export interface RedisConnection {
  /** Fails when the connection is lost. */
  readonly lost: Effect.Effect<never, RedisFailed>
  /** Runs a script on one key. */
  readonly run: (
    script: Script,
    key: string,
    args: ReadonlyArray<string>
  ) => Effect.Effect<unknown, RedisFailed>
  /** Tells how many have got the message; `undefined` if that isn't known. Never rejects. */
  readonly publish: (channel: string, message: string) => Promise<number | undefined>
  /** Hears what is published; called with nothing for a message that is too long. Must not throw. */
  readonly subscribe: (
    channel: string,
    onMessage: (message: string | undefined) => void
  ) => Effect.Effect<void, RedisFailed>
  /** The nodes, if it is one of a Redis Cluster and it may tell. */
  readonly nodes: Effect.Effect<ReadonlyArray<Address>>
}

/** Reads a URL with `redis` or `rediss`, which was found to be one. */
export const target = (url: URL): Address & Access => {
  const part = (text: string): string | undefined => (text === "" ? undefined : decodeURIComponent(text))
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 6379 : Number(url.port),
    tls: url.protocol === "rediss:",
    username: part(url.username),
    password: part(url.password),
    database: Number(url.pathname.slice(1))
  }
}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  // One that stands for several, as of a name with two addresses, has no message.
  if (error instanceof AggregateError && error.message === "") return messageOf(error.errors[0])
  return error.message
}

const hide = (text: string, secret: string | undefined): string =>
  secret === undefined
    ? text
    : text.replaceAll(new RegExp(`(?<!\\w)${secret.replaceAll(/[^\w\s]/g, "\\$&")}(?!\\w)`, "g"), () => "***")

/** What went wrong. Redis may name the user whom it refuses. */
const failed = (error: unknown, { password, username }: Access): RedisFailed => {
  const message = messageOf(error)
  const [, host = "", port] = /^MOVED \d+ (.*):(\d+)$/.exec(message) ?? []
  const problem = hide(hide(message, password), username)
  return new RedisFailed({
    problem,
    ...(port === undefined ? {} : { moved: { host, port: Number(port) } })
  })
}

/** Connects, until the scope closes. */
export const connect = (
  { host, port }: Address,
  access: Access
): Effect.Effect<RedisConnection, RedisFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { database, password, tls, username } = access
    const lost = yield* Deferred.make<never, RedisFailed>()
    const socket = { host, port, connectTimeout: PATIENCE, reconnectStrategy: false } as const
    const client = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const client = createClient({
          socket: tls ? { ...socket, tls } : socket,
          ...(username === undefined ? {} : { username }),
          ...(password === undefined ? {} : { password }),
          database,
          RESP: 3,
          disableOfflineQueue: true,
          // Each would be a command that a user of Redis may not be allowed.
          disableClientInfo: true,
          maintNotifications: "disabled",
          commandOptions: { timeout: 0 }
        })
        const lose = (error: unknown): void => Deferred.unsafeDone(lost, Effect.fail(failed(error, access)))
        client.on("error", lose)
        client.on("end", () => lose(new Error("the connection has ended")))
        return client
      }),
      (client) => Effect.sync(() => client.destroy())
    )
    const attempt = <A>(what: string, call: () => Promise<A>): Effect.Effect<A, RedisFailed> =>
      Effect.tryPromise({ try: call, catch: (error) => failed(error, access) }).pipe(
        Effect.timeoutFail({
          duration: PATIENCE,
          onTimeout: () => new RedisFailed({ problem: `no answer to ${what} within ${PATIENCE} ms` })
        }),
        Effect.raceFirst(Deferred.await(lost))
      )
    yield* attempt("the handshake", () => client.connect())
    return {
      lost: Deferred.await(lost),
      run: ({ hash, text }, key, args) => {
        const options = { keys: [key], arguments: [...args] }
        return attempt("a script", () => client.evalSha(hash, options)).pipe(
          Effect.catchIf(
            ({ problem }) => problem.startsWith("NOSCRIPT"),
            () => attempt("a script", () => client.eval(text, options))
          )
        )
      },
      publish: (channel, message) =>
        client.publish(channel, message).then(
          (count) => count,
          () => undefined
        ),
      subscribe: (channel, onMessage) =>
        attempt("a subscription", () =>
          client.subscribe(
            channel,
            (message) => onMessage(message.length > MOST_BYTES ? undefined : message.toString()),
            true
          )
        ),
      nodes: attempt("a question for its mode", () => client.hello()).pipe(
        Effect.filterOrFail(({ mode }) => mode === "cluster"),
        Effect.zipRight(attempt("a question for its nodes", () => client.clusterSlots())),
        Effect.map((slots) =>
          slots.flatMap(({ master, replicas }) =>
            [master, ...replicas].filter(({ host }) => host !== "").map(({ host, port }) => ({ host, port }))
          )
        ),
        Effect.orElseSucceed(() => [])
      )
    }
  })
