import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { it } from "vitest"
import * as Program from "../support/Program.js"
import * as Swarm from "../support/Swarm.js"
const cpu = (pid: number) => { const f = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" "); return `u${Number(f[11]) / 100} s${Number(f[12]) / 100}` }
it("x", () => Effect.runPromise(Effect.scoped(Effect.gen(function* () {
  const program = yield* Program.start()
  const t0 = performance.now()
  const swarm = yield* Swarm.open(program.port, 5000)
  const t1 = performance.now()
  const c0 = process.cpuUsage(); const s0 = cpu(program.pid)
  let last = s0
  const iv = setInterval(() => { try { last = cpu(program.pid) } catch {} }, 20)
  const exit = yield* Program.stop(program)
  clearInterval(iv)
  const c1 = process.cpuUsage(c0)
  const ends = yield* swarm.endings
  const at = ends.map((e) => e.at)
  console.log("open", t1 - t0, "exit", exit.elapsed, "server cpu before", s0, "after", last, "client cpu", c1.user / 1000, c1.system / 1000, "first close", Math.min(...at) - (performance.now()), "span", Math.max(...at) - Math.min(...at), "calls", program.log.lines.length)
}))), 60000)
