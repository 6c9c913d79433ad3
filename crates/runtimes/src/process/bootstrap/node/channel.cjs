// Frames over the instance's end of its channel.
//
// Lives here: reading one frame, writing one frame, the fields of an event.
// Does not live here: what they mean (`instance`, `zygote`).
// A frame is the length of its body (u32, big-endian), its type (u8), and the body.
//
// Reading blocks on purpose: while an instance waits for its next event its event loop stands still, as that of a
// frozen one would, and no watcher, no wake-up and no extra turn of the loop stands between an event and its handler.
'use strict';
const fs = require('node:fs');

const DESCRIPTOR = 3;
const HEADER_BYTES = 5;
// A reply up to this size is copied behind its header, for the sake of a single system call.
const JOINED_BYTES_MAX = 256 * 1024;
const NATIVE_LENGTH_MAX = 1024;
// Stands for the length of a text that is not there.
const LENGTH_OF_NOTHING = 0xffffffff;
const types = { order: 1, event: 2, ready: 16, initFailed: 17, returned: 18, raised: 19, fatal: 20, unfit: 21,
  begun: 22, piece: 23 };

const { readSync, write, writeSync } = fs;
const buffer = Buffer.allocUnsafeSlow(64 * 1024);
let channel = DESCRIPTOR;
// What frames are sent through: the same, while that is a socket.
let out = channel;
// Sends a frame whose body is a text of at most `NATIVE_LENGTH_MAX` characters; false where it cannot.
let sendShort = () => false;
// Waits for bytes and reads them.
let read = (descriptor, into, from) => readSync(descriptor, into, from, into.length - from, null);

// The next frame as {type, body}; undefined once the other end is closed. The body is valid until the next call.
// Only one frame is ever under way, so nothing follows it.
function receive() {
  let into = buffer;
  let have = 0;
  let end = HEADER_BYTES;
  while (have < end) {
    const count = read(channel, into, have);
    if (count === 0) return undefined;
    have += count;
    if (end === HEADER_BYTES && have >= HEADER_BYTES) {
      end += into.readUInt32BE(0);
      if (end > into.length) {
        const larger = Buffer.allocUnsafeSlow(end);
        into.copy(larger, 0, 0, have);
        into = larger;
      }
    }
  }
  return { type: into[4], body: into.subarray(HEADER_BYTES, end) };
}

// What came before the text of the last event: the request's id, the deadline, the function's ARN, then the trace's id as long as
// it is to be set, the client's context, and the descriptor that replies go through from now on.
const fields = ['', 0, '', undefined, undefined, undefined];
let receiveText = receiveTextSlowly;

// The next event; undefined once the other end is closed.
function receiveEvent() {
  const text = receiveText(channel, fields);
  if (text === undefined) return undefined;
  const [requestId, deadlineMs, invokedFunctionArn, traceId, clientContext] = fields;
  if (traceId !== undefined) fields[3] = undefined;
  if (clientContext !== undefined) fields[4] = undefined;
  if (fields[5] !== undefined) {
    out = fields[5];
    fields[5] = undefined;
  }
  return { requestId, deadlineMs, invokedFunctionArn, traceId, clientContext, text };
}

// As the addon does it, where there is one: the deadline, four texts behind their lengths, and the event's own text.
function receiveTextSlowly() {
  const frame = receive();
  if (frame === undefined) return undefined;
  const { body } = frame;
  let from = 8;
  const take = () => {
    const length = body.readUInt32BE(from);
    from += 4;
    if (length === LENGTH_OF_NOTHING) return undefined;
    from += length;
    return body.toString('utf8', from - length, from);
  };
  fields[0] = take();
  fields[1] = Number(body.readBigInt64BE(0));
  for (const place of [2, 3, 4]) fields[place] = take();
  return body.toString('utf8', from);
}

// What this process is to do; undefined once the other end is closed.
function receiveOrder() {
  const frame = receive();
  return frame === undefined ? undefined : JSON.parse(frame.body.toString('utf8'));
}

// Has all frames go through another descriptor.
function use(descriptor) {
  channel = descriptor;
  out = descriptor;
}

// Has the addon read, which is not woken in vain, and write short frames, for which it needs no buffers.
function useNative(addon) {
  read = addon.receive;
  receiveText = addon.receiveEvent;
  sendShort = addon.send;
}

function send(type, body) {
  const isText = typeof body === 'string';
  if (isText && body.length <= NATIVE_LENGTH_MAX && sendShort(out, type, body)) return;
  const length = isText ? Buffer.byteLength(body) : body.length;
  if (length > JOINED_BYTES_MAX) {
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(length, 0);
    header[4] = type;
    writeAll(header);
    writeAll(isText ? Buffer.from(body) : body);
    return;
  }
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame[4] = type;
  if (isText) frame.write(body, HEADER_BYTES);
  else body.copy(frame, HEADER_BYTES);
  writeAll(frame);
}

function writeAll(bytes) {
  let written = 0;
  while (written < bytes.length) written += writeSync(out, bytes, written, bytes.length - written);
}

// The frame that is being sent behind the back of the event loop.
let underWay;

// Sends a frame while the event loop goes on: the other end takes it when its reader has room. One at a time.
function sendWithoutWaiting(type, body, done) {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame[4] = type;
  frame.set(body, HEADER_BYTES);
  underWay = new Promise((resolve) => {
    const finish = (error) => {
      underWay = undefined;
      resolve();
      done(error);
    };
    const writeFrom = (from) => write(out, frame, from, frame.length - from, null, (error, count) => {
      if (error) finish(error);
      else if (from + count < frame.length) writeFrom(from + count);
      else finish();
    });
    writeFrom(0);
  });
}

// Whether a frame may be half sent, so that nothing may follow it yet.
const isBusy = () => underWay !== undefined;

// Resolves when nothing is half sent any more.
async function isFree() {
  while (underWay) await underWay;
}

module.exports = { DESCRIPTOR, isBusy, isFree, receiveEvent, receiveOrder, send, sendWithoutWaiting, types, use, useNative };
