// Handlers made by `awslambda.streamifyResponse`.
//
// Lives here: the global `awslambda`, and the stream that such a handler writes into: each piece is sent at once.
// Does not live here: frames (`channel`), collecting the pieces for a caller who wants a whole reply.
// Contract: AWS Lambda Developer Guide, "Response streaming for Lambda functions"; the managed runtime's own stream: what
// `HttpResponseStream.from` is given goes before what the first `write` is given, so that a stream that is ended without any
// `write` has no head.
'use strict';
const { Writable } = require('node:stream');
const channel = require('./channel.cjs');
const errors = require('./errors.cjs');
const { contextOf, sendError } = require('./invocation.cjs');

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const CONTENT_TYPE_DEFAULT = 'application/octet-stream';
const CONTENT_TYPE_WITH_HEAD = 'application/vnd.awslambda.http-integration-response';
// Between the head of an HTTP reply and its body.
const DELIMITER_BYTES = 8;
// What may wait to be sent before `write` says that it is enough.
const HIGH_WATER_MARK_BYTES = 64 * 1024;
const PIECE_BYTES_MAX = 64 * 1024;

class ResponseStream extends Writable {
  #contentType = CONTENT_TYPE_DEFAULT;
  #hasWritten = false;
  #hasBegun = false;

  constructor(highWaterMark) {
    super({ highWaterMark });
  }

  get hasWritten() {
    return this.#hasWritten;
  }

  setContentType(contentType) {
    if (this.#hasWritten) {
      throw new errors.RuntimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    }
    this.#contentType = contentType;
  }

  write(chunk, encoding, done) {
    if (!this.#hasWritten) {
      this.#hasWritten = true;
      this._onBeforeFirstWrite?.((first) => super.write(first));
    }
    const isPlain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(isPlain ? chunk : JSON.stringify(chunk), encoding, done);
  }

  _write(chunk, _encoding, done) {
    this.#begin((error) => {
      if (error) done(error);
      else sendPieces(chunk, 0, done);
    });
  }

  _final(done) {
    this.#begin(done);
  }

  #begin(done) {
    if (this.#hasBegun) {
      done();
      return;
    }
    this.#hasBegun = true;
    channel.sendWithoutWaiting(channel.types.begun, Buffer.from(String(this.#contentType)), done);
  }
}

function sendPieces(chunk, from, done) {
  if (from >= chunk.length) {
    done();
    return;
  }
  const end = Math.min(from + PIECE_BYTES_MAX, chunk.length);
  channel.sendWithoutWaiting(channel.types.piece, chunk.subarray(from, end), (error) => {
    if (error) done(error);
    else sendPieces(chunk, end, done);
  });
}

function install() {
  // The managed runtime's own way out for functions that have a global of that name.
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      handler[HIGH_WATER_MARK] = options?.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      from(stream, head) {
        stream.setContentType(CONTENT_TYPE_WITH_HEAD);
        const text = JSON.stringify(head);
        stream._onBeforeFirstWrite = (write) => {
          write(text);
          write(new Uint8Array(DELIMITER_BYTES));
        };
        return stream;
      },
    },
  };
}

const isStreaming = (handler) => Boolean(handler[STREAMING]);

// Resolves when all that was written is sent, or never will be.
const settled = (stream) => new Promise((resolve) => {
  if (stream.closed) resolve();
  else stream.once('close', resolve);
});

async function run(handler, event, next) {
  const stream = new ResponseStream(handler[HIGH_WATER_MARK] ?? HIGH_WATER_MARK_BYTES);
  let failure;
  stream.on('error', (error) => { failure ??= { error }; });
  try {
    const returned = handler(JSON.parse(event.text), stream, contextOf(event, {}));
    if (typeof returned?.then !== 'function') throw 'Streaming does not support non-async handlers.';
    if ((await returned) !== undefined) console.warn('Streaming handlers ignore return values.');
    if (!stream.writableEnded) throw 'Response stream is not finished.';
  } catch (error) {
    failure ??= { error };
    // What it had written by then goes first.
    if (!stream.hasWritten) stream.destroy();
    else if (!stream.writableEnded && !stream.destroyed) stream.end();
  }
  await settled(stream);
  await channel.isFree();
  if (failure) sendError(failure.error);
  else channel.send(channel.types.returned, '');
  next();
}

module.exports = { install, isStreaming, run };
