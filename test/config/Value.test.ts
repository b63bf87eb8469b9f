/**
 * How the values of options are written.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FC from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as CloseCode from "../../src/protocol/CloseCode.js"
import * as Value from "../../src/config/Value.js"

const KIB = 1024
const MIB = 1024 * KIB

const millis = (text: string): number | undefined => {
  const duration = Value.duration.read(text)
  return duration === undefined ? undefined : Duration.toMillis(duration)
}

describe("a duration", () => {
  it.each([
    ["30 seconds", 30_000],
    ["1 second", 1000],
    ["500 millis", 500],
    ["1.5 seconds", 1500],
    ["2 minutes", 120_000],
    ["1 hour", 3_600_000],
    ["1 day", 86_400_000],
    ["30s", 30_000],
    ["500ms", 500],
    ["2m", 120_000],
    ["1.5s", 1500],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["0s", 0],
    ["0ms", 0],
    ["007s", 7000]
  ])("can be written %j", (text, expected) => {
    expect(millis(text)).toBe(expected)
  })

  it.each([
    "",
    " ",
    "30",
    "0",
    "s",
    "-5s",
    "-5 seconds",
    "+5s",
    "30S",
    "30 s",
    "30sec",
    "30 Seconds",
    "30 parsecs",
    " 30s",
    "30s ",
    "30s\n",
    "1,5s",
    "1.5.5s",
    ".5s",
    "5.s",
    "1e3s",
    "0x10s",
    "1m30s",
    "Infinity",
    "Infinity seconds",
    "NaN seconds",
    "off",
    "٣s"
  ])("can't be written %j", (text) => {
    expect(millis(text)).toBeUndefined()
  })

  it.prop(
    "is read as Effect reads it",
    [
      FC.nat(1_000_000),
      FC.constantFrom(
        ...(["nano", "micro", "milli", "second", "minute", "hour", "day", "week"] as const),
        ...(["nanos", "micros", "millis", "seconds", "minutes", "hours", "days", "weeks"] as const)
      )
    ],
    ([count, unit]) => {
      expect(Value.duration.read(`${count} ${unit}`)).toEqual(Duration.decode(`${count} ${unit}`))
    }
  )
})

describe("a size", () => {
  const { accepts, read } = Value.size(1, 512 * MIB, "1 byte to 512MiB")

  it.each([
    ["65536", 65_536],
    ["1", 1],
    ["1KiB", KIB],
    ["64KiB", 64 * KIB],
    ["1MiB", MIB],
    ["512MiB", 512 * MIB]
  ])("can be written %j", (text, expected) => {
    expect(read(text)).toBe(expected)
  })

  it.each([
    ["", "nothing"],
    ["1GB", "no such unit"],
    ["1GiB", "no such unit"],
    ["1KB", "no such unit"],
    ["1k", "no such unit"],
    ["1B", "no such unit"],
    ["1kib", "units have their case"],
    ["1mib", "units have their case"],
    ["1KIB", "units have their case"],
    ["1.5MiB", "not whole"],
    ["1.5", "not whole"],
    ["-1", "negative"],
    ["+1", "a sign"],
    ["0", "below the least"],
    ["0MiB", "below the least"],
    ["513MiB", "above the most"],
    ["536870913", "above the most"],
    ["99999999999999999999", "more than a number holds"],
    ["1 MiB", "a blank"],
    [" 1", "a blank"],
    ["1\n", "a line end"],
    ["1e3", "no plain number"],
    ["0x10", "no plain number"],
    ["MiB", "no number"],
    ["Infinity", "no number"],
    ["off", "can't be turned off"]
  ])("can't be written %j: %s", (text) => {
    expect(read(text)).toBeUndefined()
  })

  it("says what is accepted, borders and units", () => {
    expect(accepts).toContain("1 byte to 512MiB")
    for (const example of ["65536", "64KiB", "1MiB"]) {
      expect(accepts).toContain(example)
      expect(read(example)).toBeDefined()
    }
  })

  it.prop(
    "is read with each unit, within its borders",
    [FC.nat(2000), FC.constantFrom("", "KiB", "MiB")],
    ([count, unit]) => {
      const bytes = count * (unit === "" ? 1 : unit === "KiB" ? KIB : MIB)
      expect(read(`${count}${unit}`)).toBe(bytes >= 1 && bytes <= 512 * MIB ? bytes : undefined)
    }
  )
})

describe("a port", () => {
  it.each([
    ["0", 0],
    ["80", 80],
    ["8080", 8080],
    ["65535", 65_535]
  ])("can be %j", (text, expected) => {
    expect(Value.port.read(text)).toBe(expected)
  })

  it.each(["", "65536", "70000", "-1", "80.5", "http", " 80", "80 ", "0x50", "1e3", "8080/tcp"])(
    "can't be %j",
    (text) => {
      expect(Value.port.read(text)).toBeUndefined()
    }
  )
})

describe("a close code", () => {
  it.prop("can be any that may be sent, and no other (RFC 6455 section 7.4)", [FC.nat(70_000)], ([code]) => {
    expect(Value.closeCode.read(String(code))).toBe(CloseCode.isSendable(code) ? code : undefined)
  })

  it.each(["", "1005", "1006", "1015", "2000", "5000", "1000.5", "-1000", "1e3", "normal"])(
    "can't be %j",
    (text) => {
      expect(Value.closeCode.read(text)).toBeUndefined()
    }
  )

  it("says which are accepted", () => {
    expect(Value.closeCode.accepts).toContain(CloseCode.SENDABLE)
  })
})

describe("a switch", () => {
  it("is on or off", () => {
    expect(Value.toggle.read("on")).toBe(true)
    expect(Value.toggle.read("off")).toBe(false)
  })

  it.each(["", "On", "OFF", "true", "false", "1", "0", "yes", "no", " on"])("is not %j", (text) => {
    expect(Value.toggle.read(text)).toBeUndefined()
  })
})

describe("one of a few words", () => {
  const word = Value.oneOf("pretty", "logfmt", "json")

  it("is one of them, as it is written", () => {
    for (const text of ["pretty", "logfmt", "json"]) expect(word.read(text)).toBe(text)
    for (const text of ["", "JSON", "xml", "pretty ", "toString"]) expect(word.read(text)).toBeUndefined()
  })

  it("says which are accepted", () => {
    expect(word.accepts).toBe("pretty, logfmt or json")
    expect(word.placeholder).toBe("pretty|logfmt|json")
  })
})

describe("the path of the endpoint", () => {
  it.each([
    ["/echo", "/echo"],
    ["/", "/"],
    ["/a/b/", "/a/b/"],
    ["/a//b", "/a//b"],
    ["/a%20b", "/a%20b"],
    ["/a b", "/a%20b"],
    ["/é", "/%C3%A9"],
    ["/a/../b", "/b"],
    ["/:id", "/:id"],
    ["/*", "/*"],
    ["/livez/more", "/livez/more"]
  ])("%j is what a client asks for as %s (RFC 3986 section 5.2.4)", (text, expected) => {
    expect(Value.path.read(text)).toBe(expected)
  })

  it.each([
    ["", "empty"],
    ["echo", "without a slash before it"],
    ["//echo", "two slashes name a host (RFC 3986 section 4.2)"],
    ["\\echo", "a backslash"],
    ["/\\echo", "browsers take a backslash for a slash"],
    ["/echo?x=1", "a query"],
    ["/echo#here", "a fragment"],
    ["http://host/echo", "a URL"],
    ["/livez", "the server answers there itself"],
    ["/metrics", "the server answers there itself"],
    ["/readyz", "the server answers there itself"],
    ["/x/../livez", "the server answers there itself"]
  ])("can't be %j: %s", (text) => {
    expect(Value.path.read(text)).toBeUndefined()
  })

  it.prop("is what a URL parser leaves as it is", [FC.webPath()], ([text]) => {
    const read = Value.path.read(text)
    if (read !== undefined) expect(new URL(`ws://host${read}`).pathname).toBe(read)
  })
})

describe("a text", () => {
  it("is anything but nothing and blanks", () => {
    const text = Value.text("FILE", "the path of a file")
    expect(text.read("/etc/a b.pem")).toBe("/etc/a b.pem")
    for (const blank of ["", " ", "\t\n"]) expect(text.read(blank)).toBeUndefined()
  })
})

describe("the URL of a Redis", () => {
  const read = (text: string) => Option.map(Option.fromNullable(Value.redisUrl.read(text)), Redacted.value)

  it.each([
    "redis://localhost",
    "redis://localhost:6379",
    "REDIS://localhost/",
    "redis://[::1]:6379/0",
    "rediss://user:p%40ss@redis.example.com:6380/15",
    "redis://:password@10.0.0.1"
  ])("can be %s, and is hidden from whoever prints it", (text) => {
    expect(Option.map(read(text), ({ href }) => href)).toEqual(Option.some(new URL(text).href))
    expect(JSON.stringify(Value.redisUrl.read(text))).toBe('"<redacted>"')
  })

  it.each([
    "",
    "localhost:6379",
    "http://localhost:6379",
    "redis:localhost",
    "redis://",
    "redis://host:0",
    "redis://host:65536",
    "redis://host/name",
    "redis://host/1/2",
    "redis://host?x=1",
    "redis://host#x",
    "redis://a b",
    "redis://user:%ff@host"
  ])("can't be %j", (text) => {
    expect(read(text)).toEqual(Option.none())
  })

  it.each([
    ["redis://user:secret@host?x", "redis://***@host?x"],
    ["rediss://user:sec@ret@host/x", "rediss://***@host/x"],
    ["user:secret@host", "***@host"],
    ["localhost:6379", "localhost:6379"]
  ])("that can't be read is shown without user and password: %s", (text, shown) => {
    expect(Value.redisUrl.show?.(text)).toBe(shown)
  })
})

describe("a prefix in Redis", () => {
  it("is nothing that could be a pattern there, nor too long", () => {
    for (const text of ["answerback", "a", "my-app:{1}.x_y", "x".repeat(64)])
      expect(Value.redisPrefix.read(text)).toBe(text)
    for (const text of ["", " ", "a b", "a*", "a?", "[a]", "a\n", "é", "x".repeat(65)])
      expect(Value.redisPrefix.read(text)).toBeUndefined()
  })
})

describe("whatever a person writes", () => {
  const values: ReadonlyArray<Value.Value<unknown>> = [
    Value.closeCode,
    Value.duration,
    Value.oneOf("a", "b"),
    Value.origin,
    Value.path,
    Value.port,
    Value.redisPrefix,
    Value.redisUrl,
    Value.size(1, MIB, "1 byte to 1MiB"),
    Value.subprotocol,
    Value.text("TEXT", "text"),
    Value.toggle
  ]

  it.prop("it is read or not, and nothing is thrown", [FC.string({ unit: "binary" })], ([text]) => {
    for (const value of values) {
      expect(() => value.read(text)).not.toThrow()
      expect(() => value.read(`/${text}`)).not.toThrow()
      expect(() => value.read(`1${text}`)).not.toThrow()
    }
  })
})
