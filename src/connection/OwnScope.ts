/**
 * A fiber that has a scope of its own, and ends with it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Cause from "effect/Cause"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"

/** Whose fiber it is. */
export interface Owner {
  /** Called when it begins. */
  readonly onBegun: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => void
  /** Called when the effect has ended, before anything is released; gives what there is to be done, if anything. */
  readonly onEnded: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void> | undefined
  /** Run when all that is in the scope has been released, however the fiber ends. */
  readonly release: () => Effect.Effect<void>
  /** What becomes of finalizers that fail. */
  readonly onReleaseFailed: (cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

/** What Effect keeps of a scope. */
type State =
  | { readonly _tag: "Open"; readonly finalizers: Map<object, Scope.Scope.Finalizer> }
  | { readonly _tag: "Closed"; readonly exit: Exit.Exit<unknown, unknown> }

interface LazyScope extends Scope.CloseableScope {
  kept: State | undefined
}

/**
 * Makes scopes like one of Effect's, but for what they keep, which is made when somebody looks at it. An echo has nothing
 * to be released: to make, to fill and to empty what would have done it was a tenth of what an opening and an ending cost.
 */
const scopesLike = (like: Scope.CloseableScope): (() => LazyScope) => {
  const prototype: object = Object.create(Object.getPrototypeOf(like), {
    strategy: { value: like.strategy },
    // Effect's own functions for scopes go by it, and some that are no methods of it.
    state: {
      get(this: LazyScope): State {
        return (this.kept ??= { _tag: "Open", finalizers: new Map() })
      },
      set(this: LazyScope, state: State) {
        this.kept = state
      }
    }
  })
  return () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it does all that the other does
    const scope = Object.create(prototype) as LazyScope
    scope.kept = undefined
    return scope
  }
}

/** Closes a scope; gives what there is to be released, if anything. */
const close = (scope: LazyScope, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> | undefined => {
  if (scope.kept !== undefined) return Scope.close(scope, exit)
  // What comes too late is released at once.
  scope.kept = { _tag: "Closed", exit }
  return undefined
}

const release = (scope: LazyScope, exit: Exit.Exit<unknown, unknown>, owner: Owner): Effect.Effect<void> => {
  const closing = close(scope, exit)
  if (closing === undefined) return owner.release()
  return Effect.flatMap(Effect.exit(closing), (closed) =>
    Exit.isSuccess(closed)
      ? owner.release()
      : Effect.zipRight(owner.release(), owner.onReleaseFailed(closed.cause))
  )
}

const end = (scope: LazyScope, exit: Exit.Exit<unknown, unknown>, owner: Owner): Effect.Effect<void> => {
  const first = owner.onEnded(exit)
  return first === undefined
    ? release(scope, exit, owner)
    : Effect.zipRight(
        first,
        Effect.suspend(() => release(scope, exit, owner))
      )
}

/** By itself, so that it keeps nothing else. */
const ended = (scope: LazyScope, owner: Owner) => ({
  onFailure: (cause: Cause.Cause<unknown>) => end(scope, Exit.failCause(cause), owner),
  onSuccess: (value: unknown) => end(scope, Exit.succeed(value), owner)
})

/** What `Effect.suspend` would do, without what it would keep of it. */
const started = <E, R>(start: () => Effect.Effect<unknown, E, R>): Effect.Effect<unknown, E, R> => {
  try {
    return start()
  } catch (defect) {
    return Effect.die(defect)
  }
}

/** Starts a fiber with a scope of its own; what it does is asked for in the fiber. */
export type Fork<R> = <E>(
  start: () => Effect.Effect<unknown, E, R | Scope.Scope>,
  owner: Owner
) => Fiber.RuntimeFiber<void>

/**
 * Starts fibers with scopes of their own among those of a set, with what is there where this is run.
 *
 * They do what `acquireRelease` and `scoped` would, but for what these keep to put it right again: such a fiber ends with
 * its scope. It has the scope in its context, and can't be interrupted but within its effect, from its first step on. That
 * is a good part of what an opening and an ending cost, and of the memory of a fiber that waits.
 */
export const forking = <R>(fibers: FiberSet.FiberSet<void>): Effect.Effect<Fork<R>, never, R> =>
  Effect.gen(function* () {
    const newScope = scopesLike(yield* Scope.make())
    const context = yield* Effect.context<R>()
    // What it runs can't be interrupted, as where it was made.
    const run = yield* Effect.uninterruptible(FiberSet.runtime(fibers)())
    return (start, owner) => {
      const scope = newScope()
      const whole = Effect.withFiberRuntime((fiber: Fiber.RuntimeFiber<void>) => {
        owner.onBegun(fiber)
        return Effect.matchCauseEffect(Effect.interruptible(started(start)), ended(scope, owner))
      })
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is given what it requires here
      return run(whole as Effect.Effect<void>, {
        updateRefs: (refs, id) => {
          // In place: they have just been made for this fiber. To set one makes all of them anew.
          refs.locals.set(FiberRef.currentContext, [[id, Context.add(context, Scope.Scope, scope)]])
          return refs
        }
      })
    }
  })
