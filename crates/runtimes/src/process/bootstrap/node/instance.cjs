// An instance: loads the function, then runs its handler for one event after another.
//
// Lives here: the loop of events, errors that nobody caught.
// Does not live here: frames (`channel`), replying (`invocation`), finding the handler (`loader`), the log (`logging`).
'use strict';
const channel = require('./channel.cjs');
const errors = require('./errors.cjs');
const invocation = require('./invocation.cjs');
const loader = require('./loader.cjs');
const logging = require('./logging.cjs');
const modules = require('./modules.cjs');
const streaming = require('./streaming.cjs');

// The first version whose managed runtime knows no callbacks.
const AWAITED_SINCE = 24;
// The statuses with which the managed runtime ends after an error that nobody caught.
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
// That of Node itself when what looks after such errors fails, too.
const EXIT_UNREPORTED = 7;

let isServing = false;

// A function may have broken anything that this needs. Then the process must still end.
function reportFatal(title, error, status) {
  try {
    logging.logError(title, error);
    // Behind half a frame nobody would read it; the log has it, and the status says the rest.
    if (!channel.isBusy()) {
      channel.send(isServing ? channel.types.fatal : channel.types.initFailed, JSON.stringify(errors.toReply(error)));
    }
  } catch {
    process.reallyExit(EXIT_UNREPORTED);
  }
  process.exit(status);
}

function reportUncaught(error) {
  reportFatal('Uncaught Exception', error, EXIT_UNCAUGHT_EXCEPTION);
}

// What must be there before the function's own code.
function install() {
  logging.install();
  process.on('uncaughtException', reportUncaught);
  process.on('unhandledRejection', (reason, promise) => {
    const error = new errors.RuntimeError('UnhandledPromiseRejection', String(reason));
    Object.assign(error, { reason, promise });
    reportFatal('Unhandled Promise Rejection', error, EXIT_UNHANDLED_REJECTION);
  });
  streaming.install();
}

// The handler, and how it is run.
async function load(order) {
  let program;
  try {
    modules.findModules();
    modules.teachOldSdk();
    const handler = await loader.load(order.codeRoot, order.handler);
    program = { handler, run: chooseRun(handler, order.runtimeMajor) };
  } catch (error) {
    reportUncaught(error);
  }
  // One turn of the loop, so that a promise that was rejected while loading fails the init, not the first event.
  await new Promise(setImmediate);
  return program;
}

function chooseRun(handler, runtimeMajor) {
  if (streaming.isStreaming(handler)) return streaming.run;
  if (runtimeMajor < AWAITED_SINCE) return invocation.runWithCallbacks;
  if (handler.length >= 3) {
    throw new errors.RuntimeError('CallbackHandlerDeprecated',
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. '
      + 'You need to modify this function to use a supported handler signature to use Node.js 24 or later. '
      + 'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
  }
  return invocation.runAwaited;
}

// Says that the init is done, and goes on with events.
function serve({ handler, run }, type, body = '') {
  isServing = true;
  invocation.noteFields();
  channel.send(type, body);
  // Listeners for SIGTERM run before the end, should the function have any.
  runEvents(handler, run, () => setImmediate(() => process.exit(0)));
}

function runEvents(handler, run, onEnd) {
  const next = () => setImmediate(waitForEvent);
  const waitForEvent = () => runEvent(handler, run, next, onEnd);
  next();
}

function runEvent(handler, run, next, onEnd) {
  const event = channel.receiveEvent();
  if (event === undefined) {
    onEnd();
    return;
  }
  logging.setRequestId(event.requestId);
  // Otherwise the addon has set it: glibc keeps every value that a variable ever had, and searches them all at each new one.
  if (event.traceId !== undefined) setTrace(event.traceId);
  run(handler, event, next);
}

function setTrace(id) {
  if (id === '') delete process.env._X_AMZN_TRACE_ID;
  else process.env._X_AMZN_TRACE_ID = id;
}

module.exports = { install, load, serve, runEvent, runEvents, reportUncaught };
