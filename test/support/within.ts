/**
 * Tests with a layer around each.
 *
 * Not `it.layer` of @effect/vitest 0.30: it changes the `it` that all files of a process import, and their tests share
 * one clock from then on.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as TestServices from "effect/TestServices"

/** Registers tests, each with a layer of its own around it. */
export const within =
  <R, EL>(layer: Layer.Layer<R, EL>) =>
  (
    register: (it: {
      readonly scoped: <E>(
        name: string,
        test: () => Effect.Effect<unknown, E, R | Scope.Scope | TestServices.TestServices>
      ) => void
    }) => void
  ): void => {
    register({
      scoped: (name, test) => it.scoped(name, () => Effect.provide(Effect.suspend(test), layer))
    })
  }
