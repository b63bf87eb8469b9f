import { defineConfig } from "vitest/config"

// What starts other programs (browsers, proxies, Redis, npm …), or the built one over and over, takes minutes: a command of its
// own, `npm run test:system`. `npm test` is what's run while one works.
const system = [
  "test/{balancer,chaos,clients,examples,fuzz,package,types}/*.test.ts",
  "test/program/!(starting).test.ts",
  "test/cluster/[a-z]*.test.ts",
  "test/console/{browser,connections}.test.ts",
  "test/readme.test.ts"
]
// What is about time or memory, when nothing else runs.
const alone = ["test/alone/*.test.ts"]

export default defineConfig({
  test: {
    pool: "forks",
    // Imports would be a third of the time: each test leaves nothing behind, so the files that follow in a process may
    // share them. (For the forks as a whole: vitest 3.2 overlooks it where it stands in a project.)
    isolate: false,
    // Not fewer at least than at most: vitest 3.2 ends those above the least as idle while they still run their files.
    poolOptions: { forks: { minForks: 3, maxForks: 3 } },
    // A machine that is busy with other things takes its time; what is about time says so itself.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          include: ["test/**/*.test.ts"],
          exclude: [...system, ...alone],
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        test: { name: "system", include: system, sequence: { groupOrder: 0 } }
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
