/**
 * A fiber that has a scope of its own, and ends with it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Scope from "effect/Scope"

/** Whose fiber it is. */
export interface Owner {
  /** Called when it begins. */
  readonly onBegun: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** Called when the effect has ended, before anything is released; gives what there is to be done, if anything. */
  readonly onEnded: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void> | undefined
  /** The last of the finalizers of the scope: it runs however the fiber ends. */
  readonly release: () => Effect.Effect<void>
  /** What becomes of finalizers that fail. */
  readonly onReleaseFailed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

const begin = (scope: Scope.Scope, owner: Owner): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    owner.onBegun(fiber)
    const context = Context.add(fiber.currentContext, Scope.Scope, scope)
    return Effect.zipRight(
      FiberRef.set(FiberRef.currentContext, context),
      Scope.addFinalizerExit(scope, () => owner.release())
    )
  })

const end = (
  scope: Scope.CloseableScope,
  exit: Exit.Exit<unknown, unknown>,
  owner: Owner
): Effect.Effect<void> => {
  const first = owner.onEnded(exit)
  const closed = Effect.catchAllCause(Scope.close(scope, exit), (cause) => owner.onReleaseFailed(cause))
  return first === undefined ? closed : Effect.zipRight(first, closed)
}

/**
 * What `acquireRelease` and `scoped` do, but for what they keep to put it right again: the fiber ends with the scope. That
 * is a good part of what an opening and an ending cost, and of the memory of a fiber that waits.
 */
export const run = <E, R>(
  effect: Effect.Effect<unknown, E, R>,
  owner: Owner
): Effect.Effect<void, never, Exclude<R, Scope.Scope>> => {
  const whole = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.make(), (scope) =>
      Effect.zipRight(
        begin(scope, owner),
        Effect.matchCauseEffect(restore(effect), {
          onFailure: (cause) => end(scope, Exit.failCause(cause), owner),
          onSuccess: (value) => end(scope, Exit.succeed(value), owner)
        })
      )
    )
  )
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the scope is in the context
  return whole as Effect.Effect<void, never, Exclude<R, Scope.Scope>>
}
