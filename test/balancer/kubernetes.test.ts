/**
 * The Kubernetes manifest of the README, as far as it can be tried without Kubernetes: the program starts in the
 * environment that stands there, and answers the probes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { parseAllDocuments } from "yaml"
import * as Cli from "../../src/Cli.js"
import { options } from "../../src/config/ServerOptions.js"
import * as Value from "../../src/config/Value.js"
import { ask } from "../support/admin.js"
import { live } from "../support/live.js"
import * as Program from "../support/Program.js"
import { blocks } from "../support/readme.js"

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } }
}

/** What of a manifest is looked at here. */
interface Deployment {
  readonly spec: {
    readonly selector: { readonly matchLabels: object }
    readonly template: {
      readonly metadata: { readonly labels: object }
      readonly spec: {
        readonly enableServiceLinks?: boolean
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly [
          {
            readonly env: ReadonlyArray<Variable>
            readonly ports: ReadonlyArray<{ readonly name: string; readonly containerPort: number }>
            readonly readinessProbe: Probe
            readonly livenessProbe: Probe
            readonly lifecycle?: unknown
          }
        ]
      }
    }
  }
}

interface Service {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly selector: object
    readonly ports: ReadonlyArray<{ readonly port: number; readonly targetPort: string }>
  }
}

const documents = parseAllDocuments(blocks("yaml", "Kubernetes").join("\n---\n"))

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the first test looks at their kinds
const [deployment, service] = documents.map((document) => document.toJS() as unknown) as [Deployment, Service]
const { spec: pod, metadata } = deployment.spec.template
const [container] = pod.containers
const [port] = service.spec.ports

const TOKEN = "0123456789abcdef"

/** What Kubernetes tells a container of a Service, unless it is told not to. */
const links = (name: string): Readonly<Record<string, string>> => {
  const prefix = name.toUpperCase().replaceAll("-", "_")
  return {
    [`${prefix}_SERVICE_HOST`]: "10.96.0.17",
    [`${prefix}_SERVICE_PORT`]: String(port?.port),
    [`${prefix}_PORT`]: `tcp://10.96.0.17:${port?.port}`
  }
}

/** The environment of the container. */
const environment: Readonly<Record<string, string>> = {
  ...(pod.enableServiceLinks === false ? {} : links(service.metadata.name)),
  ...Object.fromEntries(container.env.map(({ name, value }) => [name, value ?? TOKEN]))
}

const seconds = (name: string): number =>
  Duration.toSeconds(Value.duration.read(environment[name] ?? "") ?? Duration.infinity)

describe("the Kubernetes manifest", () => {
  it("is YAML that can be read, of a Deployment and a Service", () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    expect([deployment, service]).toMatchObject([
      { apiVersion: "apps/v1", kind: "Deployment" },
      { apiVersion: "v1", kind: "Service" }
    ])
    expect(documents).toHaveLength(2)
  })

  it("has the Service and the Deployment mean the same pods, and the same port", () => {
    expect(metadata.labels).toEqual(deployment.spec.selector.matchLabels)
    expect(metadata.labels).toMatchObject(service.spec.selector)
    const named = container.ports.find(({ name }) => name === port?.targetPort)
    expect(named?.containerPort).toBe(options.port.default)
    for (const { httpGet } of [container.readinessProbe, container.livenessProbe])
      expect(httpGet.port).toBe(named?.name)
  })

  it("sets variables that the program has, with text for values, and keeps the token in a Secret", () => {
    const known = Cli.help().match(/\bANSWERBACK_\w+/g)
    for (const { name, value, valueFrom } of container.env) {
      expect(known).toContain(name)
      // Kubernetes takes no number and no boolean there.
      if (valueFrom === undefined) expect(typeof value, name).toBe("string")
    }
    const token = container.env.find(({ name }) => name === "ANSWERBACK_ADMIN_TOKEN")
    expect(token?.value).toBeUndefined()
    const { key, name } = token?.valueFrom?.secretKeyRef ?? {}
    expect(blocks("sh", "Kubernetes").join("\n")).toContain(`secret generic ${name} --from-literal=${key}=`)
  })

  it("gives a pod the time to drain, and to end by itself", () => {
    const drainTimeout = seconds("ANSWERBACK_DRAIN_TIMEOUT")
    const delay = seconds("ANSWERBACK_DRAIN_DELAY")
    const spread = seconds("ANSWERBACK_DRAIN_SPREAD")
    const close = Duration.toSeconds(options.closeTimeout.default)
    expect(delay).toBeGreaterThan(0)
    expect(drainTimeout).toBeGreaterThan(delay + spread + close)
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(drainTimeout)
    // It would delay SIGTERM, and take its time from the grace period.
    expect(container.lifecycle).toBeUndefined()
  })

  live("has an environment in which the program starts, and answers the probes and who has the token", () =>
    Effect.gen(function* () {
      const program = yield* Program.start({
        without: ["port"],
        // The port of the manifest may be taken on this machine.
        env: { PORT: "0", ...environment }
      })
      expect(program.log.lines.map(({ level, message }) => `${String(level)} ${String(message)}`)).toEqual([
        "info listening"
      ])
      for (const { httpGet } of [container.readinessProbe, container.livenessProbe]) {
        // As kubelet asks: by the address of the pod.
        const headers = { Host: "10.244.1.2:8080", "User-Agent": "kube-probe/1.31" }
        const answer = yield* ask(program, `GET ${httpGet.path}`, { headers })
        expect(answer).toMatchObject({ status: 200, body: "ok" })
      }
      const probes = [container.readinessProbe, container.livenessProbe].map(({ httpGet }) => httpGet.path)
      expect(probes).toEqual(["/readyz", "/livez"])
      expect((yield* ask(program, "GET /connections")).status).toBe(401)
      const headers = { Authorization: `Bearer ${TOKEN}` }
      expect((yield* ask(program, "GET /connections", { headers })).status).toBe(200)
    })
  )
})
