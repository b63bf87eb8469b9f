/**
 * What must hold when the compiler looks: nothing of it is left at run time.
 */

import type { Equals } from "effect/Types"

/** Doesn't compile unless both types are the same: `any`, `never`, and what is optional or read-only told apart. */
export const same = <A, B>(
  ...none: Equals<A, B> extends true ? [] : [{ readonly is: A; readonly butShouldBe: B }]
): void => void none

// It tells them apart.
same<string, string>()
same<{ readonly a?: 1 } | undefined, { readonly a?: 1 } | undefined>()
// @ts-expect-error
same<unknown, string>()
// @ts-expect-error
same<string | undefined, string>()
// @ts-expect-error
same<never, string>()
// @ts-expect-error
same<{ readonly a: 1 }, { a: 1 }>()
// oxlint-disable-next-line typescript/no-explicit-any -- just this must not pass
type Any = any
// @ts-expect-error
same<Any, string>()
// @ts-expect-error
same<ReadonlyArray<Any>, ReadonlyArray<string>>()
