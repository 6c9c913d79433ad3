// A run of events that nobody sent.
//
// Lives here: having everything between an event and its reply loaded and compiled before there is a fork.
// Does not live here: what an event does (`instance`).
'use strict';
const fs = require('node:fs');
const channel = require('./channel.cjs');
const { runWithCallbacks, runAwaited } = require('./invocation.cjs');
const { runEvents } = require('./instance.cjs');
const logging = require('./logging.cjs');

// After this many, Node's compiler has seen enough.
const EVENTS = 20;

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
      const run = (called, head, text, next) => way(called, head, text, () => { (left > 0 ? next : resolve)(); });
      runEvents(handler, run, resolve);
    });
  } finally {
    channel.use(channel.DESCRIPTOR);
    fs.closeSync(ours);
    fs.closeSync(theirs);
  }
}

function writeEvent(descriptor) {
  const head = Buffer.from(JSON.stringify({ requestId: '', deadlineMs: 0, invokedFunctionArn: '', traceId: '' }));
  const event = Buffer.from('{"warm":true}');
  const lengths = Buffer.alloc(9);
  lengths.writeUInt32BE(4 + head.length + event.length, 0);
  lengths[4] = channel.types.event;
  lengths.writeUInt32BE(head.length, 5);
  fs.writeSync(descriptor, Buffer.concat([lengths, head, event]));
}

module.exports = { run };
