/**
 * The page for those who come from gorilla/websocket leaves out none of its names.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { ROOT } from "../support/packed.js"

/** All that gorilla/websocket exports: fields of `Upgrader`, methods, functions, types, errors and constants. */
const names = fs
  .readFileSync(new URL("gorilla.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((name) => name !== "")

/** Fields of a client's, of which the page says only that there is no client. */
const ofClients = /^Dialer\.(?!Dial(Context)?$)/

const page = fs.readFileSync(path.join(ROOT, "docs/from-gorilla-websocket.md"), "utf8")

/** What the tables say, by the names. */
const said = [...page.matchAll(/^\| `([\w.]+)` *\| (.*?) *\|$/gm)].map(
  ([, name = "", words = ""]) => [name, words] as const
)

it("each name stands on the page once, with what to use here", () => {
  expect(said.map(([name]) => name).toSorted()).toEqual(names.toSorted())
  expect(said.filter(([, words]) => words.length < 4)).toEqual([])
})

/** Where Debian's golang-github-gorilla-websocket-dev has it. */
const SOURCE = "/usr/share/gocode/src/github.com/gorilla/websocket"

/** What Go exports in the files of a package: names that begin with a capital letter. */
const exportedBy = (files: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const text of files) {
    for (const [, receiver, name] of text.matchAll(/^func (?:\(\w+ \*?([A-Z]\w*)\) )?([A-Z]\w*)\(/gm))
      found.add(receiver === undefined ? `${name}` : `${receiver}.${name}`)
    for (const [, name] of text.matchAll(/^(?:type|var|const) ([A-Z]\w*)/gm)) found.add(`${name}`)
    for (const [block] of text.matchAll(/^const \(\n.*?^\)/gms))
      for (const [, name] of block.matchAll(/^\t([A-Z]\w*) +=/gm)) found.add(`${name}`)
    for (const [, fields = ""] of text.matchAll(/^type Upgrader struct \{\n(.*?)^\}/gms))
      for (const [, some = ""] of fields.matchAll(/^\t([A-Z]\w*(?:, [A-Z]\w*)*) /gm))
        for (const name of some.split(", ")) found.add(`Upgrader.${name}`)
  }
  return found
}

const missing = fs.existsSync(SOURCE)
  ? ""
  : " (skipped: apt-get install -y golang-github-gorilla-websocket-dev)"

it.skipIf(missing !== "")(`the names are all that gorilla/websocket exports${missing}`, () => {
  const files = fs
    .readdirSync(SOURCE)
    .filter((file) => file.endsWith(".go") && !file.endsWith("_test.go"))
    .map((file) => fs.readFileSync(path.join(SOURCE, file), "utf8"))
  const found = [...exportedBy(files)].filter((name) => !ofClients.test(name))
  // Newer than Debian's.
  expect([...found, "Conn.NetConn"].toSorted()).toEqual(names.toSorted())
})
