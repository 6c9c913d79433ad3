// Handlers made by `awslambda.streamifyResponse`.
//
// Lives here: the global `awslambda`, and the stream that such a handler writes into.
// Does not live here: passing a reply on while it is written: it is sent whole, as `Invoke` gives it.
// Contract: AWS Lambda Developer Guide, "Response streaming for Lambda functions".
'use strict';
const { Writable } = require('node:stream');
const channel = require('./channel.cjs');
const { contextOf, sendError } = require('./invocation.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
// Between the head of an HTTP reply and its body.
const DELIMITER = Buffer.alloc(8);

class ResponseStream extends Writable {
  chunks = [];

  _write(chunk, _encoding, done) {
    this.chunks.push(chunk);
    done();
  }

  setContentType() {}
}

function install() {
  // The managed runtime's own way out for functions that have a global of that name.
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler) {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: {
      from(stream, head) {
        stream.chunks.push(Buffer.from(JSON.stringify(head)), DELIMITER);
        return stream;
      },
    },
  };
}

const isStreaming = (handler) => Boolean(handler[STREAMING]);

async function run(handler, head, text, next) {
  try {
    const stream = new ResponseStream();
    const finished = new Promise((resolve, reject) => stream.on('finish', resolve).on('error', reject));
    finished.catch(() => {});
    const returned = handler(JSON.parse(text), stream, contextOf(head, {}));
    if (typeof returned?.then !== 'function') throw 'Streaming does not support non-async handlers.';
    if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
    if (!stream.writableEnded) throw 'Response stream is not finished.';
    await finished;
    channel.send(channel.types.returned, Buffer.concat(stream.chunks));
  } catch (error) {
    sendError(error);
  }
  next();
}

module.exports = { install, isStreaming, run };
