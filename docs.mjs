import { register } from "node:module"
register(
  `data:text/javascript,${encodeURIComponent(
    `export const resolve = (specifier, context, next) =>
      next(specifier === "typescript" && /node_modules\\/typedoc\\//.test(context.parentURL) ? "typescript-5.9" : specifier, context)`
  )}`
)
const { Application, TSConfigReader } = await import("typedoc")
const app = await Application.bootstrapWithPlugins(
  {
    entryPoints: ["src/index.ts", "src/admin/AdminApi.ts", "src/cluster/Redis.ts"],
    tsconfig: "tsconfig.build.json",
    out: "api",
    skipErrorChecking: false
  },
  [new TSConfigReader()]
)
const project = await app.convert()
if (project === undefined) process.exit(1)
await app.generateOutputs(project)
