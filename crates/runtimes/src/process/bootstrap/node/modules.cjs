// Where packages come from, and the old SDK's endpoint.
//
// Lives here: ES modules that are found in the folders of NODE_PATH, hooks on the loading of `aws-sdk` 2.
// Does not live here: CommonJS, for which Node reads NODE_PATH itself; SDK 3, which reads AWS_ENDPOINT_URL itself.
'use strict';
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const INTERNALS_FLAG = '--expose-internals';

// Folders that ES modules are looked for in when they are not beside the code, each as a module that would lie there.
let parents = [];

// ES modules are searched beside the code only, as Node does it. The cloud's runtime adds NODE_PATH, and so do we.
// Versions before 22.15 offer that in a thread of its own only, which costs tens of milliseconds and which no fork has:
// there, the resolver that the hook would stand in front of is replaced itself, before anything has asked for it.
function replaceResolver() {
  if (!process.execArgv.includes(INTERNALS_FLAG)) return;
  // The function's own children are started without it.
  process.execArgv = process.execArgv.filter((flag) => flag !== INTERNALS_FLAG);
  const resolver = require('internal/modules/esm/resolve');
  const resolve = resolver.defaultResolve;
  resolver.defaultResolve = (specifier, context) => withFallback(specifier, context, resolve);
}

function withFallback(specifier, context, resolve) {
  try {
    return resolve(specifier, context);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !isBare(specifier)) throw error;
    for (const parentURL of parents) {
      try {
        return resolve(specifier, { ...context, parentURL });
      } catch { /* the next folder may have it; if none has, the first error is the one to show */ }
    }
    throw error;
  }
}

function findModules() {
  const folders = (process.env.NODE_PATH ?? '').split(path.delimiter).filter(Boolean);
  parents = folders.map((folder) => pathToFileURL(path.join(path.dirname(folder), 'anchor.mjs')).href);
  // Every lookup of every module passes through it, so it is there only for who has somewhere else to look.
  if (parents.length > 0) Module.registerHooks?.({ resolve: withFallback });
}

function isBare(specifier) {
  return !/^(\.{0,2}\/|[a-z][a-z0-9+.-]*:)/i.test(specifier);
}

// SDK 2 knows no AWS_ENDPOINT_URL. All its entry points load `lib/node_loader.js`, which makes the configuration that
// all clients start from; so that is where the endpoint is put in. A function that sets another one wins.
function teachOldSdk() {
  if (!process.env.AWS_ENDPOINT_URL) return;
  const load = Module._extensions['.js'];
  Module._extensions['.js'] = function (module, filename) {
    load.apply(this, arguments);
    if (filename.endsWith('/aws-sdk/lib/node_loader.js')) {
      const AWS = module.require('./core');
      AWS.config.update({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true, hostPrefixEnabled: false });
    }
  };
}

replaceResolver();

module.exports = { findModules, teachOldSdk };
