/**
 * Prometheus' own opinion of metrics.
 */
import { spawnSync } from "node:child_process"

/** Why it can't be asked here. */
export const noPromtool: string | undefined =
  spawnSync("promtool", ["--version"]).status === 0
    ? undefined
    : "no promtool: apt-get install -y --no-install-recommends prometheus"

/** What it finds wrong with a text, or could be better. */
export const lint = (text: string): string => {
  const { status, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8"
  })
  return status === 0 ? `${stdout}${stderr}` : `exit code ${status}: ${stdout}${stderr}`
}
