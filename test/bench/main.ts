/**
 * The benchmark as a program: `npm run bench`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { measures } from "./measures.js"
import { all, YARDSTICK } from "./peers.js"
import { arePinned, startGenerator } from "./Processes.js"
import { table } from "./Report.js"
import type { Outcome } from "./Figures.js"
import type { Measure } from "./turns.js"

const USAGE = `usage: npm run bench -- [--only ${measures.map(({ name }) => name).join(",")}] [--peers a,b] [--rounds N] [--haste N] [--json FILE]`

const say = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

const listOf = (text: string | undefined): ReadonlyArray<string> | undefined => text?.split(",")

const atLeastOne = (text: string): number => {
  const value = Number(text)
  if (!(Number.isFinite(value) && value >= 1)) throw new Error(`${text} is not a number from 1 on`)
  return value
}

const unknown = (wanted: ReadonlyArray<string> | undefined, known: ReadonlyArray<string>): void => {
  for (const name of wanted ?? [])
    if (!known.includes(name)) throw new Error(`there is no ${name}: there are ${known.join(", ")}`)
}

const machine = (): string =>
  [
    `${os.cpus()[0]?.model ?? "a processor"}, ${os.availableParallelism()} cores`,
    `${Math.round(os.totalmem() / 1e9)} GB`,
    `${os.type()} ${os.release()}`,
    `Node ${process.version}`,
    arePinned ? "server and load on a core each" : "server and load not pinned to cores"
  ].join("; ")

const parse = () => {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      peers: { type: "string" },
      rounds: { type: "string", default: "5" },
      haste: { type: "string", default: "1" },
      json: { type: "string" }
    }
  })
  const only = listOf(values.only)
  unknown(
    only,
    measures.map(({ name }) => name)
  )
  return {
    chosen: measures.filter(({ name }) => only === undefined || only.includes(name)),
    peers: listOf(values.peers),
    rounds: Math.floor(atLeastOne(values.rounds)),
    haste: atLeastOne(values.haste),
    json: values.json
  }
}

const bench = async ({
  chosen,
  haste,
  json,
  peers: wanted,
  rounds
}: ReturnType<typeof parse>): Promise<void> => {
  const folder = fs.mkdtempSync(`${os.tmpdir()}/answerback-bench-`)
  const generator = startGenerator(fileURLToPath(new URL("load.mjs", import.meta.url)))
  try {
    const found = all(folder)
    unknown(
      wanted,
      found.map(({ name }) => name)
    )
    const peers = found.filter(
      ({ name }) => wanted === undefined || name === YARDSTICK || wanted.includes(name)
    )
    const results: Array<{ readonly measure: Measure; readonly outcomes: ReadonlyArray<Outcome> }> = []
    for (const measure of chosen) {
      say(`== ${measure.about}`)
      const present = peers.filter((peer) => "command" in peer)
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const outcomes = await measure.run({ peers: present, generator, rounds, haste, say })
      results.push({ measure, outcomes })
    }
    const text = [
      `${machine()}; medians of ${rounds} rounds${haste > 1 ? `, in haste (${haste})` : ""}.`,
      ...peers.flatMap((peer) => ("why" in peer ? [`Without ${peer.name}: ${peer.why}.`] : [])),
      ...results.map(
        ({ measure, outcomes }) =>
          `${measure.about}:\n\n${table(outcomes, measure.columns, measure.yardstick ?? YARDSTICK)}`
      )
    ]
    process.stdout.write(`${text.join("\n\n")}\n`)
    if (json !== undefined) {
      const found = results.map(({ measure: { about, name }, outcomes }) => ({ name, about, outcomes }))
      fs.writeFileSync(
        json,
        `${JSON.stringify({ machine: machine(), rounds, haste, measures: found }, null, 2)}\n`
      )
    }
  } finally {
    await generator.close()
    fs.rmSync(folder, { recursive: true })
  }
}

const main = async (): Promise<number> => {
  let options: ReturnType<typeof parse>
  try {
    options = parse()
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : String(error)}; ${USAGE}`)
    return 2
  }
  try {
    await bench(options)
    return 0
  } catch (error) {
    say(`bench: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  }
}

process.exitCode = await main()
