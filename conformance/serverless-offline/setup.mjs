// Stands in for the suite's own `tests/_testHelpers/setupTeardown.js`: starts Cloudless in the folder of a test's service.
//
// Lives here: starting, waiting, ending, and what options of serverless-offline are called here.
// Does not live here: the tests (they are not ours to keep), the ledger (`cargo xtask conformance serverless-offline`).

import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { env } from "node:process"

const SERVICES_PORT = 3002
const PORTS = { "--port": 3000, "--websocket-port": 3001, "--services-port": SERVICES_PORT, "--alb-port": 3003 }
const READY_WITHIN_MS = 50_000

let server
let state

// The emulator puts the stage before every path unless it is told not to. REST APIs have it there anyway; load balancers
// know no stages, so what clients put before their paths is said by an option.
function optionsFor(args) {
  const stage = args.includes("--noPrependStageInUrl") ? "" : "/dev"
  const at = args.indexOf("--prefix")
  const prefix = at < 0 ? "" : `/${args[at + 1]}`
  const base = prefix === "" ? [] : ["--base-path", prefix]
  return [...base, "--alb-base-path", `${prefix}${stage}/`]
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms) })

async function isReady() {
  try {
    const response = await fetch(`http://127.0.0.1:${SERVICES_PORT}/_cloudless/health`)
    return response.ok
  } catch {
    return false
  }
}

const isFree = (port) => new Promise((resolve) => {
  const listener = createServer()
  listener.once("error", () => { resolve(false) })
  listener.listen(port, "127.0.0.1", () => { listener.close(() => { resolve(true) }) })
})

export async function setup({ args = [], env: more, servicePath, stdoutData }) {
  state = mkdtempSync(join(tmpdir(), "conformance-state-"))
  const until = Date.now() + READY_WITHIN_MS
  // A process that the killed server of the test before was just starting keeps its ports for a moment longer than it.
  for (const port of Object.values(PORTS)) {
    while (!(await isFree(port)) && Date.now() < until) { await sleep(20) }
  }
  const ports = Object.entries(PORTS).flat().map(String)
  server = spawn(env.CLOUDLESS, ["dev", ".", "--state", state, ...ports, ...optionsFor(args)], {
    cwd: servicePath,
    env: { ...env, ...more },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  for (const stream of [server.stdout, server.stderr]) {
    stream.on("data", (data) => { output += data; stdoutData?.(data) })
  }
  while (!(await isReady())) {
    if (server.exitCode !== null || until < Date.now()) {
      // The tests fail one by one then; a failure here would leave out all but the first.
      console.error(`the server is not ready: ${output}`)
      return
    }
    await sleep(50)
  }
}

export async function teardown() {
  const ended = server.exitCode === null && new Promise((resolve) => { server.once("exit", resolve) })
  server.kill("SIGKILL")
  await ended
  rmSync(state, { force: true, recursive: true })
}
