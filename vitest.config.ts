import { defineConfig } from "vitest/config"

const alone = ["test/alone/*.test.ts"]

export default defineConfig({
  test: {
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 3 } },
    // A machine that is busy with other things takes its time; what is about time says so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: "all", include: ["test/**/*.test.ts"], exclude: alone, sequence: { groupOrder: 0 } }
      },
      // What is about time or memory, when nothing else runs.
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
