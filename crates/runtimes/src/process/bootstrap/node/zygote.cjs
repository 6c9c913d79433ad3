// A warm process that makes others by forking itself.
//
// Lives here: what a base does, parking, what a fork does first, how it ends.
// Does not live here: the fork itself, which is native (`cloudless.node`), since no JavaScript may run between two of
// them; whether a process may be forked (`fitness`); what must not be the same in two forks (`fresh`).
//
// A base forks templates, a template forks instances. Both are this program, and what is forked goes on where it was.
'use strict';
// Before anything else: threads that there are already are taken for V8's own.
const addon = require('./cloudless.node');
const fs = require('node:fs');
const Module = require('node:module');
const util = require('node:util');
const v8 = require('node:v8');
const channel = require('./channel.cjs');
const fitness = require('./fitness.cjs');
const fresh = require('./fresh.cjs');
const instance = require('./instance.cjs');
const sdk = require('./sdk.cjs');
const warming = require('./warming.cjs');

// Parts of Node.js that it loads at their first use, and that many functions use.
const PARTS = ['node:child_process', 'node:dns', 'node:fs/promises', 'node:http', 'node:https', 'node:stream/promises',
  'node:timers/promises', 'node:url', 'node:util', 'node:zlib'];
// Flags without which a base could not be forked, and which no program of the function's is to inherit.
const FLAGS_OF_BASES = ['--single-threaded', '--no-memory-reducer'];

// What may be made after a collection of the whole heap until the next one.
const GARBAGE_BYTES_MAX = 8 * 1024 * 1024;

// As it is now: a function may put something else in its place.
const collect = globalThis.gc;
let bytesCollected = -GARBAGE_BYTES_MAX;

// Every process below a base comes by here, and goes on where it was forked.
async function run(order) {
  try {
    if (order.isPreloaded && !addon.hasPreload()) throw new Error('what is preloaded into it does not take effect');
    fresh.install();
    channel.useNative(addon);
    process.execArgv = process.execArgv.filter((flag) => !FLAGS_OF_BASES.includes(flag));
    leaveAtOnce();
    for (const name of PARTS) require(name);
    void globalThis.Response; // with it comes what `fetch` is made of
    await sdk.load(order.sdkPaths, addon);
    await warming.run(addon);
    await park(channel.types.ready, '[]', false, undefined);
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
  // It is in the sandbox already, should there be one: what is forked is this function's from here on.
  addon.wakeThreads();
  enter(order);
  const before = fitness.look(order.inside !== undefined);
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
    const body = reasons.length > 0 ? JSON.stringify(reasons) : '';
    await park(channel.types.ready, body, true, order.inside);
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

// Says so, then forks whenever asked to; a template makes some forks ahead. Returns in the forks only, once somebody has
// asked: the channel is then theirs. It throws, and nothing was said, where the process cannot be forked.
async function park(type, body, isTemplate, inside) {
  // From a turn of the loop of its own: the loop is not within its waiting then, where a fork would find itself.
  await new Promise(setImmediate);
  collectGarbage();
  const { scopes, processesMax } = inside ?? { scopes: 0, processesMax: 0 };
  const forked = addon.park(channel.DESCRIPTOR, type, Buffer.from(body), isTemplate, scopes, processesMax);
  fresh.freshen(forked, addon);
  if (!forked.isSpare) return;
  // With the preload, threads that it lacks so far may be needed for that.
  if (!addon.hasPreload()) await warming.rehearse(addon);
  addon.becomeChild(channel.DESCRIPTOR);
}

// What is garbage now, each fork would have to copy. What an init leaves is young as a rule, and found in a tenth of the
// time that the whole heap takes.
function collectGarbage() {
  const { used_heap_size: bytes } = v8.getHeapStatistics();
  const isMuch = bytes - bytesCollected > GARBAGE_BYTES_MAX;
  collect({ type: isMuch ? 'major' : 'minor' });
  if (isMuch) bytesCollected = v8.getHeapStatistics().used_heap_size;
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

// Node's own way out joins threads that a fork does not have.
function leaveAtOnce() {
  process.reallyExit = (status) => addon.exitNow(Number(status ?? process.exitCode ?? 0));
  // The loop has run empty, or somebody asked for the end: the function's listeners are the last to run. Not a listener
  // itself, for the function may remove all of them.
  const { emit } = process;
  process.emit = function emitThenLeave(name, ...values) {
    if (name !== 'exit' || !process._exiting) return emit.call(this, name, ...values);
    try {
      emit.call(this, name, ...values);
    } catch (error) {
      instance.reportUncaught(error);
    }
    return process.reallyExit(process.exitCode ?? values[0]);
  };
  Object.defineProperty(process, 'emit', { enumerable: false });
  // Node prints an error that nobody catches after that, so it would not come to it.
  process.on('uncaughtExceptionMonitor', (error) => {
    if (process.listenerCount('uncaughtException') > 0) return;
    fs.writeSync(2, `Uncaught ${util.inspect(error)}\n\nNode.js ${process.version}\n`);
  });
}

module.exports = { run };
