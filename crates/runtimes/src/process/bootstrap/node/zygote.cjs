// A warm process that makes others by forking itself.
//
// Lives here: what a base has loaded, parking, what a fork does first, how it ends.
// Does not live here: the fork itself, which is native (`cloudless.node`), since no JavaScript may run between two of
// them; whether a process may be forked (`fitness`); what must not be the same in two forks (`fresh`).
//
// A base forks templates, a template forks instances. Both are this program, and what is forked goes on where it was.
'use strict';
// Before anything else: threads that there are already are taken for V8's own.
const addon = require('./cloudless.node');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const channel = require('./channel.cjs');
const fitness = require('./fitness.cjs');
const fresh = require('./fresh.cjs');
const instance = require('./instance.cjs');
const warming = require('./warming.cjs');

// Of the SDK, what most functions load that load any of it. A function's own copies are other files, so they win.
const SDK_PACKAGES = ['@aws-sdk/client-dynamodb', '@aws-sdk/lib-dynamodb'];
// Flags without which a base could not be forked, and which no program of the function's is to inherit.
const FLAGS_OF_BASES = ['--single-threaded'];

// As it is now: a function may put something else in its place.
const collect = globalThis.gc;

// Every process below a base comes by here, and goes on where it was forked.
async function run(order) {
  try {
    fresh.install();
    process.execArgv = process.execArgv.filter((flag) => !FLAGS_OF_BASES.includes(flag));
    leaveAtOnce();
    loadSdk(order.sdkPaths);
    await warming.run(addon);
    await park(channel.types.ready, '[]');
  } catch (error) {
    // The last line is what is told of a base that does not come up.
    fs.writeSync(2, `${String(error?.message ?? error).split('\n')[0]}\n`);
    addon.exitNow(1);
  }
  await runTemplate();
}

async function runTemplate() {
  const order = channel.receiveOrder();
  if (order === undefined) process.exit(0);
  // The place of the sandbox: what is forked is this function's from here on, none of its code has run, and no thread
  // has been started yet.
  addon.wakeThreads();
  enter(order);
  const before = await fitness.look();
  instance.install();
  const program = await instance.load(order);
  const reasons = await fitness.settle(before, addon);
  if (reasons.length > 0 && !order.isForkedAnyway) {
    // It is a process like any other, only that it has no use but this one.
    instance.serve(program, channel.types.unfit, JSON.stringify(reasons));
    return;
  }
  const files = fitness.filesToPart(before);
  try {
    await park(channel.types.ready, reasons.length > 0 ? JSON.stringify(reasons) : '');
  } catch (error) {
    instance.serve(program, channel.types.unfit, JSON.stringify([...reasons, error.message]));
    return;
  }
  addon.wakeThreads();
  fitness.part(files, addon);
  const own = channel.receiveOrder();
  if (own === undefined) process.exit(0);
  Object.assign(process.env, own.variables);
  instance.serve(program, channel.types.ready);
}

// Says so, then forks whenever asked to. Returns in the forks only: the channel is then theirs. It throws, and nothing
// was said, where the process cannot be forked.
async function park(type, body) {
  // From a turn of the loop of its own: the loop is not within its waiting then, where a fork would find itself.
  await new Promise(setImmediate);
  // What is garbage now, each fork would have to copy.
  collect();
  fresh.freshen(addon.park(channel.DESCRIPTOR, type, Buffer.from(body)), addon);
}

// The function's environment, as a process of its own would find it.
function enter({ variables, codeRoot }) {
  for (const name of Object.keys(process.env)) {
    if (!(name in variables)) delete process.env[name];
  }
  Object.assign(process.env, variables);
  process.chdir(codeRoot);
  // Node reads NODE_PATH when it starts.
  Module._initPaths();
}

// Only folders in which packages find one another without NODE_PATH: a function may lead that elsewhere.
function loadSdk(folders) {
  for (const folder of folders.filter((name) => path.basename(name) === 'node_modules')) {
    const load = Module.createRequire(path.join(path.dirname(folder), 'anchor.cjs'));
    for (const name of SDK_PACKAGES) {
      if (!fs.existsSync(path.join(folder, name))) continue;
      try {
        load(name);
      } catch { /* a package that does not load fails where it is used */ }
    }
  }
}

// Node's own way out joins threads that a fork does not have.
function leaveAtOnce() {
  process.reallyExit = (status) => addon.exitNow(Number(status ?? process.exitCode ?? 0));
  // The loop has run empty. This listener is the first, and the others are the function's.
  process.on('exit', function leave(status) {
    for (const listener of process.listeners('exit')) {
      if (listener === leave) continue;
      try {
        listener.call(process, status);
      } catch (error) {
        instance.reportUncaught(error);
      }
    }
    process.reallyExit(process.exitCode ?? status);
  });
}

module.exports = { run };
