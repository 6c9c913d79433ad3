// Errors as the cloud shows them.
//
// Lives here: the runtime's own error types, an error as reply, an error as log text.
// Does not live here: when they happen.
'use strict';
const util = require('node:util');

class RuntimeError extends Error {
  constructor(type, message, userStack) {
    super(message);
    this.name = `Runtime.${type}`;
    this.stack = `${this.name}: ${message}${userStack ? `\n${userStack}` : this.stack.slice(this.stack.indexOf('\n'))}`;
    Object.defineProperty(this, 'name', { enumerable: false });
  }
}

function looksLikeError(value) {
  return Boolean(value) && ['name', 'message', 'stack'].every(
    (field) => typeof value[field] === 'string' && value[field] !== '');
}

// `{errorType, errorMessage, trace}`.
function toReply(error) {
  try {
    if (util.types.isNativeError(error) || looksLikeError(error)) {
      return {
        errorType: error.name,
        errorMessage: error.message,
        trace: String(error.stack ?? '').split('\n'),
      };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

// The same for the log: with the error's own fields and those of errors inside it.
function toLog(error) {
  const withFields = (_key, value) => {
    if (!(value instanceof Error)) return value;
    const shown = { errorType: value.name, errorMessage: value.message, code: value.code, ...value };
    if (typeof value.stack === 'string') shown.stack = value.stack.split('\n');
    return shown;
  };
  try {
    return `\t${JSON.stringify(error, withFields)}`;
  } catch {
    return `\t${JSON.stringify(toReply(error))}`;
  }
}

module.exports = { RuntimeError, toReply, toLog };
