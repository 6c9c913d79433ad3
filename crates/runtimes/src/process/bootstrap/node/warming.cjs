// A run of events that nobody sent.
//
// Lives here: having everything between an event and its reply loaded and compiled before there is a fork.
// Does not live here: what an event does (`instance`).
'use strict';
const fs = require('node:fs');
const channel = require('./channel.cjs');
const { noteFields, runWithCallbacks, runAwaited } = require('./invocation.cjs');
const { runEvent, runEvents } = require('./instance.cjs');
const logging = require('./logging.cjs');

// After this many, Node's compiler has seen enough.
const EVENTS = 20;
// The fields before an event's text, all of them empty; the last is not there at all.
const NO_FIELDS = Buffer.concat([Buffer.alloc(20), Buffer.alloc(4, 0xff)]);

// Nothing of it is left: no request id, no variable, no line in the log.
async function run(addon) {
  for (const way of [runWithCallbacks, runAwaited]) await runThrough(way, addon);
  logging.setRequestId(undefined);
}

async function runThrough(way, addon) {
  const [ours, theirs] = addon.socketPair();
  let left = EVENTS;
  channel.use(theirs);
  writeEvent(ours);
  // An event is waited for without a turn of the loop, so each one is written by the handler of the one before.
  const handler = async (event) => {
    left -= 1;
    if (left > 0) writeEvent(ours);
    logging.format('INFO', ['warming', event]);
    return event;
  };
  try {
    await new Promise((resolve) => {
      const run = (called, event, next) => way(called, event, () => { (left > 0 ? next : resolve)(); });
      runEvents(handler, run, resolve);
    });
  } finally {
    channel.use(channel.DESCRIPTOR);
    fs.closeSync(ours);
    fs.closeSync(theirs);
  }
}

// In a fork that nobody has asked for yet: goes the way from its order to its first reply, so that what is written to on it
// is copied by then. The event loop makes no turn, which might be one of the function's; its handler is not called.
async function rehearse(addon) {
  const [ours, theirs] = addon.socketPair();
  channel.use(theirs);
  try {
    write(ours, channel.types.order, [Buffer.from('{"variables":{"":""}}')]);
    ({ ...channel.receiveOrder().variables });
    noteFields();
    channel.send(channel.types.ready, '');
    writeEvent(ours);
    const handler = async (event) => logging.format('INFO', ['warming', event]);
    await new Promise((resolve) => { runEvent(handler, runWithCallbacks, resolve, resolve); });
  } catch {
    // What the function did to what this needs is its affair: this was to save time.
  } finally {
    logging.setRequestId(undefined);
    channel.use(channel.DESCRIPTOR);
    fs.closeSync(ours);
    fs.closeSync(theirs);
  }
}

function writeEvent(descriptor) {
  write(descriptor, channel.types.event, [NO_FIELDS, Buffer.from('{"warm":true}')]);
}

function write(descriptor, type, parts) {
  const body = Buffer.concat(parts);
  const start = Buffer.alloc(5);
  start.writeUInt32BE(body.length, 0);
  start[4] = type;
  fs.writeSync(descriptor, Buffer.concat([start, body]));
}

module.exports = { rehearse, run };
