// Writes the documentation of what the package exports, made of its docstrings, into docs/api.
import { readFileSync } from "node:fs"
import { register } from "node:module"

// TypeDoc works with TypeScript 5.9, and asks for it by the name that TypeScript 7 has here.
const resolve = `export const resolve = (specifier, context, next) => next(
  specifier === "typescript" && /node_modules\\/typedoc\\//.test(context.parentURL) ? "typescript-5.9" : specifier,
  context
)`
register(`data:text/javascript,${encodeURIComponent(resolve)}`)
const { Application, Comment, ReflectionKind, TSConfigReader } = await import("typedoc")

const { exports, name, version } = JSON.parse(readFileSync("package.json", "utf8"))
/** The entry points by their sources. */
const modules = new Map(
  Object.entries(exports).flatMap(([entry, target]) =>
    typeof target === "string"
      ? []
      : [[target.default.replace("./dist", "src").replace(/\.js$/, ".ts"), entry.replace(/^\./, name)]]
  )
)

const app = await Application.bootstrapWithPlugins(
  {
    name: `${name} ${version}`,
    entryPoints: [...modules.keys()],
    tsconfig: "tsconfig.build.json",
    out: "docs/api",
    readme: "README.md",
    projectDocuments: ["docs/*.md", "CHANGELOG.md"],
    disableSources: true,
    excludePrivate: true,
    excludeExternals: true,
    sort: ["alphabetical-ignoring-documents"],
    navigation: { includeFolders: false },
    highlightLanguages: ["ts", "js", "json", "sh", "yaml", "nginx", "go", "html"],
    validation: { invalidLink: true, notExported: false, notDocumented: false }
  },
  [new TSConfigReader()]
)
const project = await app.convert()
if (project === undefined) process.exit(1)
for (const child of project.children ?? []) child.name = modules.get(`src/${child.name}.ts`) ?? child.name
// What stands at the top of a file is about all of it. TypeDoc takes that only with a tag.
for (const found of project.getReflectionsByKind(ReflectionKind.Module | ReflectionKind.Namespace)) {
  const source = project.getSymbolIdFromReflection(found)?.fileName
  const [, about] = (source && /^\/\*\*\n(.*?)\n \*\//s.exec(readFileSync(source, "utf8"))) || []
  if (about !== undefined)
    found.comment ??= new Comment([{ kind: "text", text: about.replaceAll(/^ \* ?/gm, "") }])
}
await app.generateOutputs(project)
