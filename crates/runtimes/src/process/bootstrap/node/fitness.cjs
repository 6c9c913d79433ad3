// Whether a process may be forked after its init.
//
// Lives here: what two forks cannot both have: connections, threads, children, timers, files being written; and files
// that each must read for itself.
// Does not live here: what is renewed in each fork (`fresh`), what becomes of a process that is unfit (the supervisor).
'use strict';
// As they are now: a function may put something else in their place.
const {
  closeSync, constants, fstatSync, openSync, promises: { stat }, readFileSync, readdirSync, readlinkSync,
} = require('node:fs');
const { setTimeout } = require('node:timers');

// An init often leaves behind what comes to its end in a moment: a file being read, a thread that has been told to end.
const SETTLING_MS = 200;
const LOOK_INTERVAL_MS = 1;
const ACCESS_MODE = 0o3;
// libuv's threads, unless UV_THREADPOOL_SIZE says otherwise.
const POOL_SIZE = 4;
const POOL_SIZE_MAX = 1024;
// Of devices that remember nothing of whoever opened them, as `/dev/null` and `/dev/urandom`.
const MEMORY_DEVICES = 1;

// Node's names of what keeps a process at work, in words for the developer. Those that are empty show as an open
// descriptor, a thread or a child.
const WORDS = {
  Immediate: '',
  Timeout: 'a running timer',
  StatWatcher: 'a watched file',
  MessagePort: 'an open message port',
  TCPSocketWrap: '',
  TCPServerWrap: '',
  TCPWRAP: '',
  UDPWRAP: '',
  PipeWrap: '',
  TTYWrap: '',
  FSEventWrap: '',
  ProcessWrap: '',
  Worker: '',
  SignalWrap: '',
};

// What the process holds before the function's code. `isAlone`: all processes that are seen here are the function's.
function look(isAlone) {
  return {
    descriptors: descriptors(), threads: threads(), sharedMemory: sharedMemory(), timers: timersByNumber(),
    processes: isAlone ? processes() : undefined,
  };
}

// Why this process may not be forked; empty when it may.
async function settle(before, addon) {
  const end = performance.now() + SETTLING_MS;
  for (;;) {
    // Asked from a timer, which is over by then: an immediate would itself count as something to wait for.
    const isBusy = await new Promise((resolve) => {
      setTimeout(() => resolve(addon.isLoopAlive()), LOOK_INTERVAL_MS);
    });
    const found = await allReasons(before);
    if (isBusy && found.length === 0) found.push('unfinished work');
    if (found.length === 0 || performance.now() > end) return found;
  }
}

async function allReasons(before) {
  try {
    return [...reasons(before), ...(await threadReasons(before))];
  } catch (error) {
    // The function took away what this needs.
    return [`a process that cannot be looked into (${error.message})`];
  }
}

function reasons(before) {
  const found = [];
  for (const { descriptor, target, writes } of opened(before)) {
    if (!target.startsWith('/')) found.push(`an open ${kind(target)}`);
    else if (writes) found.push(`the file ${target}, open for writing`);
    else if (!canReopen(descriptor)) found.push(`the file ${target}, which cannot be opened anew`);
  }
  if (hasChildren() || hasGrandchildren(before)) found.push('a child process');
  if (timersByNumber() !== before.timers) found.push(WORDS.Timeout);
  if (!hasNumberOfItsOwn()) found.push('a process.pid that cannot be changed');
  if (sharedMemory() > before.sharedMemory) found.push('memory shared with others');
  for (const name of new Set(process.getActiveResourcesInfo())) {
    const word = WORDS[name] ?? `unfinished work (${name})`;
    if (word !== '') found.push(word);
  }
  return found;
}

// Descriptors that were not there before, but for such devices.
function opened(before) {
  const found = [];
  for (const [descriptor, target] of descriptors()) {
    if (before.descriptors.get(descriptor) === target || isMemoryDevice(descriptor, target)) continue;
    const { flags, position } = details(descriptor);
    found.push({ descriptor, target, position, writes: (flags & ACCESS_MODE) !== constants.O_RDONLY });
  }
  return found;
}

function descriptors() {
  const found = new Map();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      found.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch { /* that of the listing itself */ }
  }
  return found;
}

function isMemoryDevice(descriptor, target) {
  if (!target.startsWith('/dev/')) return false;
  try {
    const found = fstatSync(descriptor);
    return found.isCharacterDevice() && (found.rdev >> 8) === MEMORY_DEVICES;
  } catch {
    return true; // closed meanwhile
  }
}

function details(descriptor) {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1');
    return {
      flags: Number.parseInt(/^flags:\s*(\d+)/m.exec(text)?.[1] ?? '0', 8),
      position: Number(/^pos:\s*(\d+)/m.exec(text)?.[1] ?? 0),
    };
  } catch {
    return { flags: 0, position: 0 }; // closed meanwhile
  }
}

// As `socket:[1234]` or `anon_inode:[eventpoll]`.
function kind(target) {
  const [, inode] = /^anon_inode:\[?([^\]]*)/.exec(target) ?? [];
  return inode ?? target.split(':')[0];
}

// libuv's threads start at their first use and then stay. They are not counted: they sleep between two uses, and each
// fork starts its own. Whether they have started shows when they are used: if not, there are more threads afterwards.
async function threadReasons(before) {
  let extra = threads() - before.threads;
  if (extra <= 0) return [];
  await stat('/');
  if (threads() - before.threads <= extra) extra -= poolSize();
  return extra > 0 ? [`${extra} running thread${extra > 1 ? 's' : ''}`] : [];
}

function poolSize() {
  const asked = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? '', 10);
  return Number.isNaN(asked) ? POOL_SIZE : Math.min(Math.max(asked, 1), POOL_SIZE_MAX);
}

function threads() {
  return readdirSync('/proc/self/task').length;
}

function hasChildren() {
  try {
    return readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').trim() !== '';
  } catch {
    return false; // a kernel without that list; children that Node watches keep a pipe or the loop busy
  }
}

// A child's child is nobody's once that has ended, as every service that goes to the background.
function hasGrandchildren(before) {
  return before.processes !== undefined && processes().some((number) => !before.processes.includes(number));
}

function processes() {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

// Timers that a library has made by `timer_create`: no fork has them.
function timersByNumber() {
  try {
    return readFileSync('/proc/self/timers', 'latin1');
  } catch {
    return ''; // a kernel without that list
  }
}

// A fork's number is another one.
function hasNumberOfItsOwn() {
  return Object.getOwnPropertyDescriptor(process, 'pid')?.configurable ?? Object.isExtensible(process);
}

function sharedMemory() {
  return readFileSync('/proc/self/maps', 'latin1').split('\n').filter((line) => line.split(' ', 2)[1] === 'rw-s').length;
}

// Files that were opened for reading.
function filesToPart(before) {
  return opened(before).filter(({ descriptor, target, writes }) => target.startsWith('/') && !writes && canReopen(descriptor));
}

// Not after the function gave up its rights, for one. A named pipe would be waited for.
function canReopen(descriptor) {
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile() && !found.isDirectory()) return false;
    closeSync(openSync(`/proc/self/fd/${descriptor}`));
    return true;
  } catch {
    return false;
  }
}

// In a fork: they are opened anew at the same place, for else all forks would read on at one common place.
function part(files, addon) {
  for (const { descriptor, position } of files) addon.reopen(descriptor, position);
}

module.exports = { look, settle, filesToPart, part };
