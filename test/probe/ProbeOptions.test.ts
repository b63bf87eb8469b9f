/**
 * The command line of the probe, its help, and its table in the README.
 */
import * as Duration from "effect/Duration"
import * as FC from "effect/FastCheck"
import * as fs from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { kinds } from "../../src/probe/Ending.js"
import { help } from "../../src/probe/ProbeHelp.js"
import { options, parse, type ProbeSettings, shorts, switches } from "../../src/probe/ProbeOptions.js"

const URL_TEXT = "ws://localhost/"

const settings = (...args: ReadonlyArray<string>): ProbeSettings => {
  const command = parse([...args, URL_TEXT])
  if (command._tag !== "Probe") throw new Error(JSON.stringify(command))
  return command.settings
}

const problems = (...args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const command = parse(args)
  return command._tag === "Invalid" ? command.problems : []
}

const flagOf = (name: string): string => `--${name}`

describe("the command line of the probe", () => {
  it("has its defaults", () => {
    const { duration, interval, reconnectMaxDelay, timeout, url, ...others } = settings()
    expect(url.href).toBe(URL_TEXT)
    expect(duration).toBeUndefined()
    expect([interval, timeout, reconnectMaxDelay].map(Duration.toMillis)).toEqual([1000, 5000, 30_000])
    expect(others).toEqual({
      count: undefined,
      size: 64,
      headers: [],
      origin: undefined,
      subprotocols: [],
      reconnectAttempts: 10,
      expect: [],
      ...Object.fromEntries(Object.keys(switches).map((name) => [name, false]))
    })
  })

  it.each([
    [["--count", "3"], { count: 3 }],
    [["--count=3"], { count: 3 }],
    [["--size", "1KiB"], { size: 1024 }],
    [["--size", "16"], { size: 16 }],
    [["--size", "64MiB"], { size: 64 * 1024 ** 2 }],
    [["--ping", "--size", "125"], { ping: true, size: 125 }],
    [["--interval", "0s"], { interval: Duration.zero }],
    [["--duration", "2 minutes"], { duration: Duration.minutes(2) }],
    [["--timeout", "1ms"], { timeout: Duration.millis(1) }],
    [["--origin", "null"], { origin: "null" }],
    [["--origin", "https://example.com"], { origin: "https://example.com" }],
    [["--subprotocol", "a", "--subprotocol", "b"], { subprotocols: ["a", "b"] }],
    [
      ["--header", "A: b c", "--header", "A:"],
      {
        headers: [
          { name: "A", value: "b c" },
          { name: "A", value: "" }
        ]
      }
    ],
    [["--reconnect", "--reconnect-attempts", "off"], { reconnectAttempts: Number.POSITIVE_INFINITY }],
    [["--reconnect", "--reconnect-max-delay", "1s"], { reconnectMaxDelay: Duration.seconds(1) }],
    [["-q"], { quiet: true }],
    [
      ["--json", "--binary", "--compression", "--insecure"],
      { json: true, binary: true, compression: true, insecure: true }
    ]
  ])("reads %j", (args, expected) => {
    expect(settings(...args)).toMatchObject(expected)
  })

  it.each([
    ["ws://example.com", "ws://example.com/"],
    ["wss://example.com/a?b=c", "wss://example.com/a?b=c"],
    ["http://example.com:80/a", "ws://example.com/a"],
    ["https://user:secret@example.com/", "wss://user:secret@example.com/"]
  ])("connects, for %s, to %s", (text, href) => {
    const command = parse([text])
    expect(command._tag === "Probe" && command.settings.url.href).toBe(href)
  })

  it.each([
    [[], "there is no URL to connect to: see probe --help"],
    [["example.com"], '"example.com" can\'t be read: accepted is a URL such as'],
    [["ftp://example.com"], '"ftp://example.com" can\'t be read'],
    [["ws://example.com/#a"], '"ws://example.com/#a" can\'t be read'],
    [["ws://example.com/#"], '"ws://example.com/#" can\'t be read'],
    [[URL_TEXT, "more"], 'unexpected argument "more": see probe --help'],
    [["--nope", URL_TEXT], "unknown option --nope: see probe --help"],
    [["--json=1", URL_TEXT], "--json takes no value"],
    [["--count", "0", URL_TEXT], '--count "0" can\'t be read'],
    [["--count", "--json", URL_TEXT], "--count is followed by --json, and has no value: see probe --help"],
    [["--size", "15", URL_TEXT], '--size "15" can\'t be read'],
    [["--size", "65MiB", URL_TEXT], '--size "65MiB" can\'t be read'],
    [["--interval", "25d", URL_TEXT], '--interval "25d" can\'t be read'],
    [["--timeout", "0s", URL_TEXT], '--timeout "0s" can\'t be read'],
    [["--duration", "30d", URL_TEXT], '--duration "30d" can\'t be read'],
    [["--origin", "https://example.com/", URL_TEXT], '--origin "https://example.com/" can\'t be read'],
    [["--subprotocol", "a b", URL_TEXT], '--subprotocol "a b" can\'t be read'],
    [["--subprotocol", "a", "--subprotocol", "a", URL_TEXT], "--subprotocol names one more than once"],
    [["--header", "Upgrade: h2c", URL_TEXT], '--header "Upgrade: h2c" can\'t be read'],
    [["--header", "sec-websocket-key: x", URL_TEXT], '--header "sec-websocket-key: x" can\'t be read'],
    [["--header", "A: b\r\nC: d", URL_TEXT], "--header "],
    [["--header", "nothing", URL_TEXT], '--header "nothing" can\'t be read'],
    [["--ping", "--binary", URL_TEXT], "--ping and --binary don't go together"],
    [["--ping", "--size", "126", URL_TEXT], "--ping and --size 126 don't go together"],
    [["--json", "--quiet", URL_TEXT], "--json and --quiet don't go together"],
    [["--reconnect-attempts", "3", URL_TEXT], "--reconnect-attempts needs --reconnect"],
    [["--reconnect-max-delay", "3s", URL_TEXT], "--reconnect-max-delay needs --reconnect"],
    [["--expect", "nonsense", URL_TEXT], '--expect "nonsense" can\'t be read: accepted is an ending (open, ']
  ])("says what is wrong with %j", (args, problem) => {
    expect(problems(...args)).toEqual([expect.stringContaining(problem)])
  })

  it("is read, or is told what is wrong with it in lines of their own, whatever it is", () => {
    const words = [...Object.values(options).map(({ flag }) => flag), ...Object.keys(switches)].map(flagOf)
    const word = FC.oneof(FC.constantFrom(...words, URL_TEXT, "1", "1s", "open"), FC.string())
    FC.assert(
      FC.property(FC.array(word), (args) => {
        const command = parse(args)
        if (command._tag !== "Invalid") return
        expect(command.problems).not.toEqual([])
        for (const problem of command.problems) expect(problem).not.toMatch(/[\r\n]/)
      })
    )
  })
})

describe("the help of the probe", () => {
  it("comes for --help and -h, whatever else there is", () => {
    for (const args of [["--help"], ["-h"], ["--nope", "-h"]]) expect(parse(args)).toEqual({ _tag: "Help" })
  })

  it("has each option, and each ending that can be expected", () => {
    const text = help()
    for (const { flag, placeholder } of Object.values(options))
      expect(text).toContain(`\n  --${flag} ${placeholder}`)
    for (const name of Object.keys(switches)) expect(text).toMatch(new RegExp(`^  (-\\w, )?--${name}$`, "m"))
    const expectations = text.slice(text.indexOf("Expectations"))
    for (const kind of Object.values(kinds)) {
      if (kind !== "interrupted") expect(expectations).toMatch(new RegExp(`^  (.*, )?${kind}[ ,]`, "m"))
    }
  })

  it("names no environment variable, since none is read", () => {
    expect(help()).not.toContain("ANSWERBACK")
    expect(help()).not.toContain("nvironment")
  })

  it("fits into 80 columns", () => {
    expect(
      help()
        .split("\n")
        .filter((line) => line.length > 80)
    ).toEqual([])
  })
})

describe("the README", () => {
  const readme = fs.readFileSync(fileURLToPath(new URL("../../README.md", import.meta.url)), "utf8")
  const section = /^## Probe a server\n(.*?)^## /ms.exec(readme)?.[1] ?? ""
  const rows = [...section.matchAll(/^\| (`-.*?) +\| (.*?) +\| (.*?) +\|$/gm)].map((row) => row.slice(1))

  it("has each option of the probe in its table, in the words of the help", () => {
    expect(rows).toEqual([
      ...Object.values(options).map(({ defaultText, flag, help, isRepeatable, placeholder }) => [
        `\`--${flag} ${placeholder}\`${isRepeatable ? " (repeatable)" : ""}`,
        defaultText,
        help
      ]),
      ...Object.entries(switches).map(([name, help]) => [
        `${shorts[name] === undefined ? "" : `\`-${shorts[name]}\`, `}\`--${name}\``,
        "off",
        help
      ])
    ])
  })

  it("has each ending that can be expected", () => {
    for (const kind of Object.values(kinds)) {
      if (kind !== "interrupted") expect(section).toContain(`\`${kind}\``)
    }
  })
})
