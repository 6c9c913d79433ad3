// What a probe runs in two forks of one process: whatever a fork may break.
//
// Lives here: the checks, one an event; a check that fails throws.
// Does not live here: which are run, and comparing two forks (`probe.rs`).
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const { promisify } = require('node:util');
const v8 = require('node:v8');
const vm = require('node:vm');
const { Worker } = require('node:worker_threads');

const INIT_PROCESS = Number(fs.readlinkSync('/proc/self'));
const MEMORY_BYTES = 48 * 1024 * 1024;
const OBJECTS = 50_000;
const NAP_MS = 20;
// (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
const WASM = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex');

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

// Every pool is in use before the fork, so that two forks that share it are found out.
const draw = () => [
  Math.random(), crypto.randomUUID(), crypto.randomInt(2 ** 47), crypto.randomBytes(8).toString('hex'),
  Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(8))).toString('hex'),
];
draw();
// What a later collection finds from before the fork.
const ballast = grow();

function grow() {
  return Array.from({ length: OBJECTS }, (_, number) => ({ number, text: `n${number}`, list: [number] }));
}

function expect(holds, message) {
  if (!holds) throw new Error(message);
}

const nap = () => new Promise((resolve) => { setTimeout(resolve, NAP_MS); });

const checks = {
  identity() {
    const real = Number(fs.readlinkSync('/proc/self'));
    expect(process.pid === real, `the process takes itself for ${process.pid} and is ${real}`);
    expect(real !== INIT_PROCESS, 'the process is the one that did the init');
  },

  randomness: draw,

  // V8 signals its own threads in each of these, and a fork has none of them.
  collections() {
    for (let round = 0; round < 20; round++) {
      grow();
      collect();
    }
    expect(ballast.length === OBJECTS && ballast[OBJECTS - 1].number === OBJECTS - 1, 'objects from before are gone');
  },

  memory() {
    const used = () => { const { heapUsed, arrayBuffers } = process.memoryUsage(); return heapUsed + arrayBuffers; };
    collect();
    const before = used();
    let block = Buffer.alloc(MEMORY_BYTES, 1);
    let objects = grow();
    const grown = used();
    expect(before + MEMORY_BYTES < grown, 'memory that was filled did not count');
    expect(block[MEMORY_BYTES - 1] === 1 && objects.length === OBJECTS, 'memory does not hold what was written');
    block = objects = undefined;
    collect();
    return nap().then(() => {
      collect();
      expect(used() < grown - MEMORY_BYTES / 2, 'memory that was freed was not collected');
    });
  },

  // Of the pool that files and passwords share, and one with an engine of its own; that one's end waits for V8's.
  async threads() {
    expect((await fs.promises.readFile(__filename)).length > 0, 'a file was not read');
    expect((await promisify(crypto.scrypt)('password', 'salt', 16)).length === 16, 'a thread of the pool did not run');
    const worker = new Worker(
      'let objects = []; for (let n = 0; n < 1e5; n++) objects.push({ n });'
      + 'require("node:worker_threads").parentPort.postMessage(objects.length)', { eval: true });
    const ended = new Promise((resolve) => { worker.once('exit', resolve); });
    const answer = await new Promise((resolve, reject) => { worker.once('message', resolve).once('error', reject); });
    expect(answer === 1e5 && await ended === 0, 'a worker did not run to its end');
  },

  async timers() {
    const [began, beganAt] = [performance.now(), Date.now()];
    await nap();
    expect(NAP_MS - 1.5 <= performance.now() - began, 'a timer fired early');
    expect(NAP_MS / 2 <= Date.now() - beganAt, 'the wall clock stands still');
  },

  async wasm() {
    const { instance } = await WebAssembly.instantiate(WASM);
    expect(instance.exports.add(2, 40) === 42, 'WebAssembly computes something else');
  },

  leave() {
    process.exit(7);
  },
};

exports.handler = async ({ check }) => checks[check]() ?? null;
