/**
 * The faults that echoes meet on their way: each has its outlet.
 */
import { PCGRandom } from "effect/Utils"
import type { PlanOf } from "./FaultPlan.js"
import { late, type Outlet, repeating } from "./Outlet.js"
import type { Tools } from "./Tools.js"
import { trickle } from "./Trickle.js"

/** What happens to echoes. */
type EchoPlan = PlanOf<"delay" | "drop" | "duplicate" | "throttle">

/** Whether something of it is left to chance. */
export const isRandom = (plan: EchoPlan): plan is PlanOf<"delay" | "drop" | "duplicate"> =>
  plan.fault === "delay" ? plan.jitter > 0 : plan.fault !== "throttle"

/** A source of numbers from 0 to 1, made of all the bits of a seed. */
const seeded = (seed: number): (() => number) => {
  const random = new PCGRandom(Math.floor(seed / 2 ** 32), seed >>> 0)
  return () => random.number()
}

/** Makes the outlet of a fault. With a seed it does the same with the same messages each time. */
export const outletOf = (plan: EchoPlan, tools: Tools, onLess: () => void, seed = 0): Outlet => {
  const random = seeded(seed)
  switch (plan.fault) {
    case "delay":
      return late(tools, onLess, () => plan.time + (2 * random() - 1) * plan.jitter)
    case "drop":
      return repeating(tools.inner, () => (random() < plan.rate ? 0 : 1))
    case "duplicate":
      return repeating(tools.inner, () => (random() < plan.rate ? 2 : 1))
    case "throttle":
      return trickle(tools, onLess, plan.rate)
  }
}
