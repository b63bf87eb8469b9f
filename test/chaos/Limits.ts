/**
 * The limits of a server that a run draws for it: how it is told of them, and what they are to the model.
 */
import * as FC from "effect/FastCheck"
import type { ServerOptions } from "../../src/index.js"

/** A limit that isn't given is what the server makes of it: out of reach of any run. */
type Limit = number | "default" | "off"

/** What may end a connection, or keep one out; times in milliseconds. */
export interface Limits {
  readonly heartbeatInterval: Limit
  readonly heartbeatTimeout: Limit
  readonly idleTimeout: Limit
  readonly maxLifetime: Limit
  readonly sendTimeout: Limit
  readonly highWaterMark: number | "default"
  readonly maxConnections: Limit
  readonly maxConnectionsPerAddress: Limit
  readonly handshakeTimeout: number | "default"
  /** Whether peers come through a proxy that tells their addresses, which are those of two networks. */
  readonly isProxied: boolean
}

/** Mostly without, so that what the limits don't end goes on. */
const seldom = <A>(limit: FC.Arbitrary<A>, none: A): FC.Arbitrary<A> =>
  FC.oneof(
    { withCrossShrink: true },
    { weight: 1, arbitrary: FC.constant(none) },
    { weight: 1, arbitrary: limit }
  )

const limit = (min: number, max: number): FC.Arbitrary<Limit> =>
  seldom(
    FC.oneof(
      { weight: 1, arbitrary: FC.constant<Limit>("off") },
      { weight: 9, arbitrary: FC.integer({ min, max }) }
    ),
    "default"
  )

type Heartbeat = Pick<Limits, "heartbeatInterval" | "heartbeatTimeout">

/** Only both together end anything. */
const heartbeat = seldom<Heartbeat>(
  FC.oneof(
    {
      weight: 9,
      arbitrary: FC.record<Heartbeat>({
        heartbeatInterval: FC.integer({ min: 40, max: 100 }),
        heartbeatTimeout: FC.integer({ min: 40, max: 100 })
      })
    },
    { weight: 1, arbitrary: FC.constant<Heartbeat>({ heartbeatInterval: 50, heartbeatTimeout: "off" }) },
    { weight: 1, arbitrary: FC.constant<Heartbeat>({ heartbeatInterval: "off", heartbeatTimeout: 50 }) }
  ),
  { heartbeatInterval: "default", heartbeatTimeout: "default" }
)

export const limits: FC.Arbitrary<Limits> = FC.tuple(
  heartbeat,
  FC.record({
    idleTimeout: limit(60, 150),
    maxLifetime: limit(100, 300),
    sendTimeout: limit(60, 150),
    highWaterMark: FC.constantFrom<Limits["highWaterMark"]>(
      "default",
      "default",
      "default",
      1,
      1024,
      16 * 1024
    ),
    maxConnections: limit(3, 6),
    maxConnectionsPerAddress: limit(2, 4),
    // Far more than a handshake takes that is answered.
    handshakeTimeout: FC.constantFrom<Limits["handshakeTimeout"]>("default", 500),
    isProxied: FC.boolean()
  })
).map(([heartbeat, others]) => Object.assign({}, heartbeat, others))

/** Writes what isn't as always in one line. */
export const describe = ({ isProxied, ...limits }: Limits): string => {
  const given = Object.entries(limits).filter(([, limit]) => limit !== "default")
  const parts = given.map(([name, limit]) => `${name} ${limit}`)
  return [...(parts.length === 0 ? ["no limits"] : parts), ...(isProxied ? ["behind a proxy"] : [])].join(
    ", "
  )
}

/** What the server is given. */
export const optionsOf = ({ isProxied, ...limits }: Limits): ServerOptions => ({
  ...Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== "default")),
  ...(isProxied ? { trustedProxies: ["127.0.0.1"] } : {})
})

/** What a limit is to a run: those that are out of its reach are none. */
export const numberOf = (limit: Limit): number =>
  typeof limit === "number" ? limit : Number.POSITIVE_INFINITY
