// What must not be the same in two forks of one process.
//
// Lives here: `Math.random`, SQLite's generator, what Node and packages have drawn ahead, the number of the process.
// Does not live here: OpenSSL's generator, which notices a fork by the process's number; see `freshen` for when not.
//
// Installed before any other code, so that what takes a function aside at its init (`const { randomUUID } = crypto`)
// takes these. What a fork may never need is renewed when it is first used.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
// Grows while the function loads more.
const { moduleLoadList } = process;

// A smaller one may be a key or a salt, from which something was made already.
const POOL_BYTES_MIN = 64;
// A pool is larger than what `randomBytes` is asked for as a key or an initial vector.
const RANDOM_BYTES_MIN = 1024;
// How much Node draws ahead for `randomUUID` and for `randomInt`.
const UUIDS_AHEAD = 128;
const INTS_AHEAD = 1024;

let generation = 0;
const numbers = new Set(); // of this process and those that it was forked from
let pools = []; // what was filled before the fork, as {view, offset, bytes}
const state = new Uint32Array(4);

function install() {
  crypto.randomFillSync(state);
  // A bound function shows itself as a native one does.
  const random = draw.bind(undefined);
  Object.defineProperty(random, 'name', { value: 'random', configurable: true });
  Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true, enumerable: false });
  const web = Object.getPrototypeOf(crypto.webcrypto);
  for (const [owner, name] of [[crypto, 'randomFillSync'], [crypto, 'randomFill'], [web, 'getRandomValues']]) {
    wrap(owner, name, (original) => function (view, ...rest) {
      remember(view, rest);
      return original.call(this, view, ...rest);
    });
  }
  wrap(crypto, 'randomBytes', (original) => function (size, callback) {
    if (!(size >= RANDOM_BYTES_MIN)) return original.call(this, size, callback);
    if (typeof callback !== 'function') return remembered(original.call(this, size, callback));
    return original.call(this, size, function (error, drawn) {
      return callback.call(this, error, remembered(drawn));
    });
  });
  const uuids = { isUsed: false, generation: 0 };
  const spendUuids = (original, self) => {
    for (let i = 0; i < UUIDS_AHEAD; i += 1) original.call(self);
  };
  const spendInts = (original) => {
    for (let i = 0; i < INTS_AHEAD; i += 1) original(2);
  };
  spendBeforeUse(crypto, 'randomUUID', uuids, spendUuids);
  spendBeforeUse(web, 'randomUUID', uuids, spendUuids);
  spendBeforeUse(crypto, 'randomInt', { isUsed: false, generation: 0 }, spendInts);
  syncBuiltinESMExports();
}

// `pid` is the process's own number, `random` comes from the kernel.
function freshen({ pid, random }, addon) {
  generation += 1;
  numbers.add(process.pid);
  Object.defineProperty(process, 'pid', { __proto__: null, value: pid, writable: false, configurable: true, enumerable: true });
  // In a namespace of its own a fork may have the number of its parent, which then looks to OpenSSL like itself.
  if (numbers.has(pid)) addon.reseedOpenssl();
  state.set(new Uint32Array(random));
  refill();
  if (moduleLoadList.includes('NativeModule sqlite')) renewSqlite();
}

// SQLite looks at the process's number when it opens a file, and draws anew for `random()` if it is another one.
function renewSqlite() {
  const { DatabaseSync } = require('node:sqlite');
  new DatabaseSync('/dev/null', { readOnly: true }).close();
}

// xoshiro128**, two draws for 53 bits.
function draw() {
  return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}

function next() {
  const one = state[1];
  const scrambled = Math.imul(one, 5);
  const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
  state[2] ^= state[0];
  state[3] ^= one;
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= one << 9;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}

// Packages as `uuid` and `nanoid` fill a buffer once and use it up slowly.
function remember(view, [offset, size]) {
  const unit = view?.BYTES_PER_ELEMENT ?? 1;
  const from = typeof offset === 'number' ? offset * unit : 0;
  const bytes = typeof size === 'number' ? size * unit : (view?.byteLength ?? 0) - from;
  if (!(bytes >= POOL_BYTES_MIN)) return;
  pools = pools.filter((pool) => pool.view.deref() !== undefined);
  pools.push({ view: new WeakRef(view), from, bytes });
}

function remembered(drawn) {
  if (drawn !== undefined) remember(drawn, []);
  return drawn;
}

// From the kernel, which is a tenth of the work of waking OpenSSL's generator.
function refill() {
  if (pools.length === 0) return;
  const source = fs.openSync('/dev/urandom');
  for (const { view, from, bytes } of pools) {
    const found = view.deref();
    if (found === undefined) continue;
    const start = (found.byteOffset ?? 0) + from;
    fs.readSync(source, new Uint8Array(found.buffer ?? found, start, bytes));
  }
  fs.closeSync(source);
}

// Node's own stock cannot be reached. What is left of it is drawn and thrown away.
function spendBeforeUse(owner, name, stock, spend) {
  wrap(owner, name, (original) => function (...values) {
    if (stock.generation !== generation) {
      stock.generation = generation;
      if (stock.isUsed) spend(original, this);
    }
    stock.isUsed = true;
    return original.apply(this, values);
  });
}

function wrap(owner, name, make) {
  const was = Object.getOwnPropertyDescriptor(owner, name);
  const { value: original } = was;
  const value = make(original);
  for (const field of ['name', 'length']) {
    Object.defineProperty(value, field, { value: original[field], configurable: true });
  }
  Object.defineProperty(owner, name, { ...was, value });
}

module.exports = { install, freshen };
