// One invocation: the context, the ways in which a handler may reply, and when the reply is sent.
//
// Lives here: promises, callbacks, `context.succeed/fail/done`, `callbackWaitsForEmptyEventLoop`.
// Does not live here: reading events (`instance`), handlers that stream (`streaming`).
// Contract: AWS Lambda Developer Guide, "Define Lambda function handler in Node.js", "Using the Lambda context object".
// From Node.js 24 on the cloud's runtime is another one: no callbacks, and a value returned without a promise counts.
'use strict';
const channel = require('./channel.cjs');
const errors = require('./errors.cjs');
const logging = require('./logging.cjs');

// What is done when the event loop has run empty.
let onLoopEmpty = () => {};
process.on('beforeExit', () => onLoopEmpty());
const setOnLoopEmpty = (listener) => { onLoopEmpty = listener; };
const nothing = () => {};

function stringify(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

function sendError(error) {
  logging.logError('Invoke Error', error);
  channel.send(channel.types.raised, JSON.stringify(errors.toReply(error)));
}

// What of the context is the same for all events of an instance: each look at `process.env` asks the system anew.
let fixed = {};

function noteFields() {
  const environment = process.env;
  fixed = {
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
  };
}

// Plain properties alone, those that differ between the ways of replying first: an object with accessors V8 keeps as a
// dictionary, and what it makes for them lives until the whole heap is collected.
function contextOf(event, ways) {
  // What a function keeps of its context is not to keep the event's text.
  const { deadlineMs, clientContext } = event;
  return {
    ...ways,
    functionVersion: fixed.functionVersion,
    functionName: fixed.functionName,
    memoryLimitInMB: fixed.memoryLimitInMB,
    logGroupName: fixed.logGroupName,
    logStreamName: fixed.logStreamName,
    clientContext: clientContext === undefined ? undefined : JSON.parse(clientContext),
    identity: undefined,
    invokedFunctionArn: event.invokedFunctionArn,
    awsRequestId: event.requestId,
    tenantId: undefined,
    getRemainingTimeInMillis: () => deadlineMs - Date.now(),
  };
}

const isPromise = (value) => Boolean(value) && typeof value.then === 'function';

// Node.js up to 22. `next` waits for the next event.
function runWithCallbacks(handler, event, next) {
  let context;
  let isFinished = false;
  let isCompleted = false;

  const complete = (result) => {
    if (isCompleted) {
      console.error('Invocation has already been reported as done. Cannot call complete more than once per invocation.');
      return;
    }
    isCompleted = true;
    const body = stringify(result);
    channel.send(channel.types.returned, body);
    next();
  };
  const fail = (error) => {
    sendError(error);
    next();
  };
  // What throws on the way, as a result that JSON cannot hold, leaves the invocation open for an error.
  const once = (reply) => (...values) => {
    if (isFinished) return;
    reply(...values);
    isFinished = true;
  };
  const done = (error, result) => {
    setOnLoopEmpty(nothing);
    if (error !== undefined && error !== null) fail(error);
    else complete(result);
  };
  const callback = once((error, result) => {
    setOnLoopEmpty(nothing);
    if (error !== undefined && error !== null) fail(error);
    else if (!context.callbackWaitsForEmptyEventLoop) complete(result);
    else setOnLoopEmpty(() => { setOnLoopEmpty(nothing); setImmediate(complete, result); });
  });

  // A handler that neither returned a promise nor called back has replied null once nothing is left to do.
  setOnLoopEmpty(() => {
    setOnLoopEmpty(nothing);
    isCompleted = true;
    channel.send(channel.types.returned, 'null');
    next();
  });
  try {
    context = contextOf(event, {
      callbackWaitsForEmptyEventLoop: true,
      succeed: once((result) => done(null, result)),
      fail: once((error) => done(error ?? 'handled')),
      done: once(done),
    });
    const result = handler(JSON.parse(event.text), context, callback);
    if (isPromise(result)) result.then(context.succeed, context.fail).catch(context.fail);
  } catch (error) {
    callback(error);
  }
}

// Node.js 24 and later.
async function runAwaited(handler, event, next) {
  const turn = () => new Promise(setImmediate);
  try {
    const result = await handler(JSON.parse(event.text), contextOf(event, {}));
    await turn();
    let body;
    try {
      body = stringify(result);
    } catch (error) {
      throw new errors.RuntimeError('JSONStringifyError', error.message);
    }
    channel.send(channel.types.returned, body);
  } catch (error) {
    await turn();
    sendError(error);
  }
  next();
}

module.exports = { runWithCallbacks, runAwaited, noteFields, contextOf, sendError, setOnLoopEmpty };
