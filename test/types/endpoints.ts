/**
 * What handlers, and those who decide on handshakes, require of the program; and what they are given.
 */
import {
  type Connection,
  type ConnectionClosed,
  Connections,
  echo,
  Endpoint,
  EchoServer,
  type Handler,
  HandshakeRefused,
  type HandshakeRequest,
  type StartError,
  WebSocketServer
} from "answerback"
import { type ConfigError, Effect, type Layer, Schedule, type Scope, Stream } from "effect"
import { Clock, Database, type DatabaseError, NoSession, Sessions, type User } from "./program.js"
import { same } from "./same.js"

type Provided = WebSocketServer.WebSocketServer | Connections
type Failure = StartError | ConfigError.ConfigError

// A handler: a function to an effect whose result is nobody's business.
const saving = (connection: Connection) =>
  Effect.gen(function* () {
    const database = yield* Database
    yield* Effect.addFinalizer(() => Effect.void)
    yield* Effect.forkScoped(Effect.repeat(connection.send("still here"), Schedule.spaced("1 second")))
    yield* Stream.runForEach(connection.messages, ({ text }) => database.save(text))
    return "done"
  })
same<ReturnType<typeof saving>, Effect.Effect<string, DatabaseError, Database | Scope.Scope>>()
const typed: Handler<DatabaseError, Database> = saving
// The result of a handler is nobody's business, and that of the echo is none.
same<ReturnType<typeof echo>, Effect.Effect<void, ConnectionClosed, Scope.Scope>>()
same<Parameters<typeof echo>, [connection: Connection]>()
// @ts-expect-error -- it also fails
const faultless: Handler<never, Database> = saving
// @ts-expect-error -- it also wants a database
const selfContained: Handler<DatabaseError> = saving
void [typed, faultless, selfContained]

// What a handler requires, its server does; but its scope is the connection's, and its errors end with the connection.
same<ReturnType<typeof serve>, Layer.Layer<Provided, Failure, Database>>()
const serve = () => WebSocketServer.layer(saving, { port: 0 })
const serveByConfig = () => WebSocketServer.layerConfig(saving)
same<ReturnType<typeof serveByConfig>, Layer.Layer<Provided, Failure, Database>>()
const serveEcho = () => EchoServer.layer()
same<ReturnType<typeof serveEcho>, Layer.Layer<Provided, Failure>>()
const serveInline = () =>
  WebSocketServer.layer((connection) =>
    Effect.gen(function* () {
      same<typeof connection, Connection>()
      yield* Effect.acquireRelease(Clock, () => Effect.void)
    })
  )
same<ReturnType<typeof serveInline>, Layer.Layer<Provided, Failure, Clock>>()
const serveNothing = () => WebSocketServer.layer(() => Effect.never)
same<ReturnType<typeof serveNothing>, Layer.Layer<Provided, Failure>>()
const serveScoped = () =>
  WebSocketServer.layer(() =>
    Effect.zipRight(
      Effect.addFinalizer(() => Effect.void),
      Effect.never
    )
  )
same<ReturnType<typeof serveScoped>, Layer.Layer<Provided, Failure>>()
// Who is here, the server knows itself.
const counting = (connection: Connection) =>
  Effect.flatMap(Connections, ({ list }) =>
    Effect.zipRight(
      Database,
      Effect.flatMap(list, (all) => connection.send(`${all.length}`))
    )
  )
const serveCounting = () => WebSocketServer.layer(counting)
same<ReturnType<typeof serveCounting>, Layer.Layer<Provided, Failure, Database>>()
const serveCountingByConfig = () => WebSocketServer.layerConfig(counting)
same<ReturnType<typeof serveCountingByConfig>, Layer.Layer<Provided, Failure, Database>>()
const census = Endpoint.make({
  authorize: () => Effect.asVoid(Connections),
  handler: counting
})
same<typeof census, Endpoint.Endpoint<Connections | Database>>()
const serveCensus = () => WebSocketServer.layerEndpoints({ "/census": census, "/echo": Endpoint.make(echo) })
same<ReturnType<typeof serveCensus>, Layer.Layer<Provided, Failure, Database>>()

// @ts-expect-error -- a handler is an effect, not a promise
WebSocketServer.layer(async () => {})
// @ts-expect-error -- there is nobody to find out who the peer is
WebSocketServer.layer((connection: Connection, user: User) => connection.send(user.name))
// @ts-expect-error -- an option that there isn't
WebSocketServer.layer(echo, { heartbeat: "25 seconds" })

// An endpoint requires what its handler does.
const plain = Endpoint.make(saving)
same<typeof plain, Endpoint.Endpoint<Database>>()
const limited = Endpoint.make({ handler: saving, maxPayload: "16KiB", idleTimeout: "off" })
same<typeof limited, Endpoint.Endpoint<Database>>()
const echoing = Endpoint.make(echo)
same<typeof echoing, Endpoint.Endpoint>()
// @ts-expect-error -- one path has no address of its own
Endpoint.make({ handler: echo, port: 8080 })
// @ts-expect-error -- what is an endpoint without a handler?
Endpoint.make({ maxPayload: "16KiB" })

// Without `authorize` a handler is told nothing of its peer.
Endpoint.make((_, authorized) => {
  same<typeof authorized, void>()
  return Effect.void
})
Endpoint.make({
  handler: (connection, authorized) => {
    same<typeof connection, Connection>()
    same<typeof authorized, void>()
    return Effect.void
  }
})
// @ts-expect-error
Endpoint.make((_: Connection, user: User) => Effect.log(user.name))
// @ts-expect-error
Endpoint.make({ handler: (_: Connection, user: User) => Effect.log(user.name) })

// With it, what was found out.
const authorize = ({ headers }: HandshakeRequest) =>
  Effect.gen(function* () {
    const sessions = yield* Sessions
    return yield* sessions.userOf(headers["authorization"] ?? "")
  }).pipe(
    Effect.catchTag("NoSession", () =>
      Effect.fail(new HandshakeRefused({ status: 401, message: "who are you?" }))
    )
  )
const ofUsers = Endpoint.make({
  authorize,
  maxConnectionsPerAddress: 10,
  handler: (connection, user) => {
    same<typeof connection, Connection>()
    same<typeof user, User>()
    return Effect.zipRight(Clock, saving(connection))
  }
})
same<typeof ofUsers, Endpoint.Endpoint<Sessions | Clock | Database>>()
const inline = Endpoint.make({
  authorize: (request) => {
    same<typeof request, HandshakeRequest>()
    return Effect.succeed(request.query.getAll("room"))
  },
  handler: (_, rooms) => {
    same<typeof rooms, Array<string>>()
    return Effect.void
  }
})
same<typeof inline, Endpoint.Endpoint>()
// One that only says yes or no tells nothing.
const onlyAuthorized = Endpoint.make({
  authorize: () => Effect.asVoid(Sessions),
  handler: (_, nothing) => {
    same<typeof nothing, void>()
    return Effect.void
  }
})
same<typeof onlyAuthorized, Endpoint.Endpoint<Sessions>>()
// A handler need not care who the peer is.
same<typeof indifferent, Endpoint.Endpoint<Sessions | Database>>()
const indifferent = Endpoint.make({ authorize, handler: saving })
// It may ask for less than is known, but not for something else.
Endpoint.make({
  authorize,
  handler: (_: Connection, { name }: { readonly name: string }) => Effect.log(name)
})
// @ts-expect-error -- a number
Endpoint.make({ authorize, handler: (_: Connection, age: number) => Effect.log(age) })
const ofAdmins = (_: Connection, user: User & { readonly isAdmin: boolean }) => Effect.log(user.isAdmin)
// @ts-expect-error -- more than is known
Endpoint.make({ authorize, handler: ofAdmins })

// A handshake that isn't accepted is answered, so whoever decides has to say how.
const hasNoSession = () => Effect.fail(new NoSession())
// @ts-expect-error -- and how would this be?
Endpoint.make({ authorize: hasNoSession, handler: echo })
// @ts-expect-error
Endpoint.make({ authorize: () => Effect.flatMap(Sessions, ({ userOf }) => userOf("42")), handler: echo })
// @ts-expect-error -- every answer has a status
void new HandshakeRefused({ message: "no" })
same<HandshakeRequest["query"], URLSearchParams>()
same<HandshakeRequest["subprotocol"], string | undefined>()

// The scope of the connection is not there yet when it is decided on: what is opened for that is closed behind it.
const opening = () => Effect.acquireRelease(Sessions, () => Effect.void)
const leaking = Endpoint.make({ authorize: opening, handler: echo })
same<typeof leaking, Endpoint.Endpoint<Sessions | Scope.Scope>>()
const closing = Endpoint.make({ authorize: () => Effect.scoped(opening()), handler: echo })
same<typeof closing, Endpoint.Endpoint<Sessions>>()

// Several on a server: it requires what any of them does.
const several = () =>
  WebSocketServer.layerEndpoints({ "/plain": plain, "/users": ofUsers, "/echo": echoing }, { port: 0 })
same<ReturnType<typeof several>, Layer.Layer<Provided, Failure, Database | Sessions | Clock>>()
const selfSufficient = () => WebSocketServer.layerEndpoints({ "/echo": echoing, "/rooms": inline })
same<ReturnType<typeof selfSufficient>, Layer.Layer<Provided, Failure>>()
const none = () => WebSocketServer.layerEndpoints({})
same<ReturnType<typeof none>, Layer.Layer<Provided, Failure>>()
// One whose paths are known only when it runs.
declare const dynamic: Readonly<Record<string, Endpoint.Endpoint<Database>>>
const serveDynamic = () => WebSocketServer.layerEndpoints(dynamic)
same<ReturnType<typeof serveDynamic>, Layer.Layer<Provided, Failure, Database>>()
// @ts-expect-error -- its endpoints say at which
WebSocketServer.layerEndpoints({ "/echo": echoing }, { path: "/other" })
// @ts-expect-error -- a handler is not an endpoint
WebSocketServer.layerEndpoints({ "/echo": echo })

// Who requires little can stand where more is given, not the other way round.
const wider: Endpoint.Endpoint<Database> = echoing
// @ts-expect-error
const narrower: Endpoint.Endpoint = plain
void [wider, narrower]
