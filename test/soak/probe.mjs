// Loaded into the program by the soak, before the program itself: on SIGUSR2 it collects garbage and writes a line that
// tells what is left. Without that, what the program needs is lost in the garbage that V8 hasn't come to yet, which
// comes and goes by tens of MiB.
const look = () => {
  // The second collects what the first has found to be finalized.
  globalThis.gc()
  globalThis.gc()
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  const probe = {
    message: "probe",
    resident: rss,
    // External memory has that of buffers in it.
    used: heapUsed + Math.max(external, arrayBuffers),
    handles: process.getActiveResourcesInfo()
  }
  process.stdout.write(`${JSON.stringify(probe)}\n`)
}

// A handle that Node makes when it is first asked for.
void process.stderr

process.on("SIGUSR2", look)
