// `console` as the managed runtime sets it up.
//
// Lives here: the line format, writing a line.
// Does not live here: what the function writes to `process.stdout` itself, which goes out as it is.
//
// A message of several lines is one entry of the log. On its way its inner line ends are carriage returns; the
// supervisor turns them back.
'use strict';
const fs = require('node:fs');
const util = require('node:util');
const errors = require('./errors.cjs');

const STDOUT = 1;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const { writeSync } = fs;
let requestId;

function format(level, values) {
  const text = `${new Date().toISOString()}\t${requestId}\t${level}\t${util.format(...values)}`;
  return Buffer.from(text.replace(/\r?\n/g, '\r') + '\n');
}

function write(level, values) {
  let bytes = format(level, values);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(STDOUT, bytes));
    } catch (error) {
      // Once `process.stdout` was used the pipe does not block; and whoever reads the log may need a moment.
      if (error.code !== 'EAGAIN') return;
      Atomics.wait(sleeper, 0, 0, 1);
    }
  }
}

function install() {
  const levels = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...values) => write(level, values);
  }
}

function setRequestId(id) {
  requestId = id;
}

function logError(title, error) {
  write('ERROR', [title, errors.toLog(error instanceof Error ? error : new Error(error))]);
}

module.exports = { format, install, setRequestId, logError };
