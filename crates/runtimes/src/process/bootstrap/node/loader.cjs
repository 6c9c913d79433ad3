// Finding the handler that a function names.
//
// Lives here: `folder/file.export.nested`, CommonJS and ES modules, the cloud's errors for what is not found.
// Does not live here: where packages are looked for (`modules`).
'use strict';
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { RuntimeError } = require('./errors.cjs');

const CHECK_MS_MAX = 2000;

async function load(codeRoot, name) {
  if (name.includes('..')) {
    throw new RuntimeError('MalformedHandlerName',
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const folder = name.slice(0, name.length - base.length);
  const parts = base.match(/^([^.]*)\.(.*)$/);
  if (!parts) throw new RuntimeError('MalformedHandlerName', 'Bad handler');
  const [, file, exported] = parts;
  const loaded = await loadModule(codeRoot, folder, file);
  const handler = exported.split('.').reduce((value, key) => value && value[key], loaded);
  if (!handler) throw new RuntimeError('HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new RuntimeError('HandlerNotFound', `${name} is not a function`);
  return handler;
}

async function loadModule(codeRoot, folder, file) {
  try {
    return await tryLoad(codeRoot, folder, file);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError('UserCodeSyntaxError', String(error), `${placeOfMistake(error, codeRoot, folder, file)}${error.stack}`);
    }
    if (error?.code === 'MODULE_NOT_FOUND') throw new RuntimeError('ImportModuleError', String(error));
    throw error;
  }
}

// A CommonJS error's stack begins with file, line and the text around the mistake. An ES module's has them where only
// Node's own printer finds them, so Node is asked to print it.
function placeOfMistake(error, codeRoot, folder, file) {
  if (/^[^\n]+:\d+\n/.test(error.stack)) return '';
  const place = path.resolve(codeRoot, folder, file);
  const source = [`${place}.js`, `${place}.mjs`].find((name) => fs.existsSync(name));
  if (!source) return '';
  const options = { encoding: 'utf8', timeout: CHECK_MS_MAX, stdio: ['ignore', 'ignore', 'pipe'] };
  const { stderr } = spawnSync(process.execPath, ['--check', source], options);
  const [, shown] = /^([^\n]+:\d+\n[^]*?)\n\n/.exec(stderr ?? '') ?? [];
  return shown ? `${shown}\n` : '';
}

async function tryLoad(codeRoot, folder, file) {
  const place = path.resolve(codeRoot, folder, file);
  const isFile = (name) => fs.statSync(name, { throwIfNoEntry: false })?.isFile() ?? false;
  if (isFile(place)) return require(place);
  if (isFile(`${place}.js`)) {
    return isModuleFolder(path.dirname(place)) ? importFile(`${place}.js`) : require(`${place}.js`);
  }
  if (isFile(`${place}.mjs`)) return importFile(`${place}.mjs`);
  if (isFile(`${place}.cjs`)) return require(`${place}.cjs`);
  return require(require.resolve(file, { paths: [codeRoot, path.resolve(codeRoot, folder)] }));
}

async function importFile(file) {
  return import(pathToFileURL(file).href);
}

// Whether `.js` means an ES module here: the nearest package.json says.
function isModuleFolder(folder) {
  if (folder.endsWith('/node_modules')) return false;
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))?.type === 'module';
  } catch (error) {
    if (error.code !== 'ENOENT') return false;
  }
  const above = path.dirname(folder);
  return above === folder ? false : isModuleFolder(above);
}

module.exports = { load };
