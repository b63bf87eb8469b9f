import { defineConfig } from "vitest/config"

/** What is about time or memory: when nothing else runs. */
const alone = ["test/alone/*.test.ts"]

/** What opens no socket and starts no process: imports would be most of its time, and its files can share them. */
const pure = [
  "test/architecture.test.ts",
  "test/{config,protocol,registry}/*.test.ts",
  "test/{connection,faults}/[A-Z]*.test.ts"
]

export default defineConfig({
  test: {
    pool: "forks",
    // Not fewer at least than at most: vitest 3.2 ends those above the least as idle while they still run shared files.
    poolOptions: { forks: { minForks: 3, maxForks: 3 } },
    // A machine that is busy with other things takes its time; what is about time says so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: "pure", include: pure, isolate: false, sequence: { groupOrder: 0 } }
      },
      {
        extends: true,
        test: {
          name: "all",
          include: ["test/**/*.test.ts"],
          exclude: [...pure, ...alone],
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: alone,
          poolOptions: { forks: { singleFork: true } },
          sequence: { groupOrder: 1 }
        }
      }
    ],
    reporters: process.env["CI"] === undefined ? ["default"] : ["default", "json"],
    outputFile: { json: "test-results.json" }
  }
})
