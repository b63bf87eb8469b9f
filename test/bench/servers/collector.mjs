// Loaded into servers that Node runs: on SIGUSR2 it collects garbage, so that what they need isn't lost in what they no
// longer do.
process.on("SIGUSR2", () => {
  globalThis.gc()
  globalThis.gc()
  process.stderr.write("collected\n")
})
