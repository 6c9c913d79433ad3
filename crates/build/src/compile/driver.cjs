// Compiles sources of functions, again and again, with tools of the project's own: one request a line, one reply a line.
//
// Lives here: esbuild, webpack and TypeScript as plugins of the Serverless Framework and SAM call them; publishing what they make.
// Does not live here: which tool, which options, what becomes of problems (`compile`, in Rust).
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const readline = require('node:readline');
const { pathToFileURL } = require('node:url');

const MARK = '\u0001';
const KEPT_MAX = 8; // Folders of one function's code that stay: instances of earlier ones may still load from them.
const ASSETS_MAX = 5000;

// What tools and configurations print is no reply.
process.stdout.write = process.stderr.write.bind(process.stderr);
const reply = (value) => fs.writeSync(1, `${MARK}${JSON.stringify(value)}\n`);

// webpack 4 asks for a digest that OpenSSL 3 no longer has; any other one does.
const createHash = crypto.createHash;
crypto.createHash = (name, ...more) => createHash(name === 'md4' ? 'md5' : name, ...more);

const find = (name, root) => require.resolve(name, { paths: [root] });
const exported = async (file) => {
  const loaded = await import(pathToFileURL(file).href);
  let value = loaded.default === undefined ? loaded : loaded.default;
  if (value && value.__esModule && value.default !== undefined) value = value.default;
  return value;
};

// What configurations see of the Serverless Framework.
const framework = (request) => ({
  service: request.service ?? {}, serviceDir: request.root, config: { servicePath: request.root, serviceDir: request.root },
  configurationInput: request.service ?? {}, processedInput: { options: {}, commands: [] },
  cli: { log() {}, consoleLog() {} }, getProvider: () => ({ getStage: () => request.stage, getRegion: () => request.region }),
  pluginManager: { plugins: [] },
});

// Files beside the code, as `package.patterns` names them: the last pattern that matches decides.
function expression(pattern) {
  let text = '';
  let depth = 0;
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at];
    if (letter === '*' && pattern[at + 1] === '*') {
      at += 1;
      if (pattern[at + 1] === '/') { text += '(?:.*/)?'; at += 1; } else text += '.*';
    } else if (letter === '*') text += '[^/]*';
    else if (letter === '?') text += '[^/]';
    else if (letter === '{') { text += '(?:'; depth += 1; } else if (letter === '}' && depth) { text += ')'; depth -= 1; }
    else if (letter === ',' && depth) text += '|';
    else text += letter.replace(/[.+^$()|[\]\\{}]/g, '\\$&');
  }
  return new RegExp(`^${text}(?:/.*)?$`, 's');
}

function assets(root, patterns, files) {
  const rules = patterns.map((text) => {
    const isNot = text.startsWith('!');
    const plain = (isNot ? text.slice(1) : text).replace(/^\.\//, '').replace(/\/$/, '');
    return { isNot, plain, matches: expression(plain) };
  });
  const seen = new Set();
  const visit = (folder, isNamed) => {
    let entries = [];
    try { entries = fs.readdirSync(path.join(root, folder), { withFileTypes: true }); } catch { return; }
    for (const entry of entries) {
      const name = folder ? `${folder}/${entry.name}` : entry.name;
      if (entry.isDirectory()) {
        if (isNamed || !['node_modules', '.git', '.serverless', '.cloudless'].includes(entry.name)) visit(name, isNamed);
      } else take(name);
    }
  };
  const take = (name) => {
    if (seen.has(name) || files.has(name)) return;
    seen.add(name);
    let wanted = false;
    for (const rule of rules) if (rule.matches.test(name)) wanted = !rule.isNot;
    if (!wanted) return;
    if (ASSETS_MAX < seen.size) throw new Error(`package.patterns names more than ${ASSETS_MAX} files`);
    files.set(name, fs.readFileSync(path.join(root, name)));
  };
  for (const rule of rules.filter((one) => !one.isNot)) {
    if (rule.plain.split('/').includes('..')) continue;
    const parts = rule.plain.split('/');
    const magic = parts.findIndex((part) => /[*?{]/.test(part));
    const base = magic < 0 ? rule.plain : parts.slice(0, magic).join('/');
    let stat;
    try { stat = fs.statSync(path.join(root, base)); } catch { continue; }
    if (stat.isDirectory()) visit(base, base.split('/').includes('node_modules')); else take(base);
  }
}

// Puts files into a folder named after their content; what is there already is not written again.
function publish(out, key, files) {
  const names = [...files.keys()].sort();
  const hash = crypto.createHash('sha256');
  for (const name of names) {
    const bytes = Buffer.from(files.get(name));
    hash.update(`${name}\0${bytes.length}\0`).update(bytes);
  }
  const digest = hash.digest('hex').slice(0, 32);
  const parent = path.join(out, key);
  const folder = path.join(parent, digest);
  if (!fs.existsSync(folder)) {
    const draft = path.join(parent, `${digest}.${process.pid}.partial`);
    fs.rmSync(draft, { recursive: true, force: true });
    for (const name of names) {
      const file = path.join(draft, name);
      if (!file.startsWith(draft + path.sep)) throw new Error(`the output \`${name}\` lies outside of its folder`);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, files.get(name));
    }
    try { fs.renameSync(draft, folder); } catch (error) { if (!fs.existsSync(folder)) throw error; fs.rmSync(draft, { recursive: true, force: true }); }
  }
  const now = new Date();
  fs.utimesSync(folder, now, now);
  const age = (name) => { try { return fs.statSync(path.join(parent, name)).mtimeMs; } catch { return 0; } };
  const others = fs.readdirSync(parent).filter((name) => name !== digest).sort((a, b) => age(b) - age(a));
  for (const name of others.slice(KEPT_MAX - 1)) fs.rmSync(path.join(parent, name), { recursive: true, force: true });
  return { folder, digest };
}

const keyOf = (text) => createHash('sha256').update(text).digest('hex').slice(0, 16);
const isModule = (root) => {
  for (let folder = root; ; folder = path.dirname(folder)) {
    try { return JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module'; } catch { /* further up */ }
    if (folder === path.dirname(folder)) return false;
  }
};

// esbuild.
const contexts = new Map();
const problemOf = (severity) => (one) => ({
  severity, text: one.text, file: one.location?.file, line: one.location?.line,
  column: one.location ? one.location.column + 1 : undefined, width: one.location?.length,
  source: one.location?.lineText, note: one.notes?.map((note) => note.text).join('; ') || undefined,
  plugin: one.pluginName || undefined,
});

async function esbuildOptions(request, entry) {
  const { configPath, ...given } = request.options;
  const options = { ...given };
  if (configPath) {
    const value = await exported(path.join(request.root, configPath));
    Object.assign(options, await (typeof value === 'function' ? value(framework(request)) : value));
  }
  const external = [...(options.external ?? []), ...(request.exclude ?? [])];
  if (request.plugins) {
    const value = await exported(path.join(request.root, request.plugins));
    options.plugins = typeof value === 'function' ? value(framework(request)) : value;
  }
  if (options.format === 'as the package') {
    options.format = isModule(request.root) ? 'esm' : 'cjs';
    if (options.format === 'esm' && options.bundle !== false && !options.banner) {
      // Packages in CommonJS that a bundle of modules takes in still call `require`.
      options.banner = { js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);" };
    }
  }
  return {
    platform: 'node', bundle: true, ...options, external: options.bundle === false ? undefined : external,
    entryPoints: entry.inputs, outdir: path.join(request.root, '.compiled'), absWorkingDir: request.root, nodePaths: request.packages,
    write: false, logLevel: 'silent', metafile: false, entryNames: undefined,
  };
}

async function esbuildEntry(esbuild, request, entry) {
  const known = contexts.get(entry.id);
  if (known) return known.rebuild();
  const options = await esbuildOptions(request, entry);
  for (const name of Object.keys(options)) if (options[name] === undefined) delete options[name];
  if (esbuild.context) {
    const context = await esbuild.context(options);
    contexts.set(entry.id, { rebuild: () => context.rebuild(), format: options.format });
    return context.rebuild();
  }
  // Versions before 0.17.
  const first = await esbuild.build({ ...options, incremental: true });
  contexts.set(entry.id, { rebuild: first.rebuild, format: options.format });
  return first;
}

async function runEsbuild(request) {
  const esbuild = require(find('esbuild', request.root));
  const problems = [];
  const entries = {};
  const outdir = path.join(request.root, '.compiled');
  await Promise.all(request.entries.map(async (entry) => {
    try {
      const result = await esbuildEntry(esbuild, request, entry);
      problems.push(...result.warnings.map(problemOf('warning')));
      const files = new Map(result.outputFiles.map((file) => [path.relative(outdir, file.path), file.contents]));
      assets(request.root, request.assets ?? [], files);
      const type = contexts.get(entry.id)?.format === 'esm' ? 'module' : 'commonjs';
      if (!files.has('package.json')) files.set('package.json', JSON.stringify({ type }));
      entries[entry.id] = publish(request.out, keyOf(entry.id), files);
    } catch (error) {
      if (!Array.isArray(error.errors)) throw error;
      problems.push(...error.errors.map(problemOf('error')), ...(error.warnings ?? []).map(problemOf('warning')));
    }
  }));
  return { entries, problems };
}

// webpack.
let compiler;
// TypeScript looks for types beside the sources alone, and loaders hand it no other folder: packages that are elsewhere are paths to it.
function withTypes(ts, packages) {
  const folders = packages.map((folder) => folder.split(path.sep).join('/'));
  const parse = (json, host, base, ...more) => {
    const parsed = ts.parseJsonConfigFileContent(json, host, base, ...more);
    const { options } = parsed;
    options.typeRoots ??= [path.join(base, 'node_modules/@types'), ...folders.map((folder) => `${folder}/@types`)];
    const found = options.paths?.['*'] ?? (options.baseUrl ? ['*'] : []);
    // Versions before 4.1 have no paths without it; later ones are about to lose it.
    if (parseFloat(ts.version) < 4.1) options.baseUrl ??= base; else options.pathsBasePath ??= base;
    options.paths = { ...options.paths, '*': [...found, './node_modules/*', ...folders.flatMap((folder) => [`${folder}/*`, `${folder}/@types/*`])] };
    return parsed;
  };
  // Newer versions export what cannot be assigned to.
  return { ...ts, parseJsonConfigFileContent: parse };
}

function webpackProblem(severity, root, error) {
  const message = String(error.message ?? error);
  const spokenOf = /(?:^|\s)(\/[^\s():]+\.[a-z]+)/.exec(message)?.[1];
  const absolute = error.file ?? error.module?.resource ?? (spokenOf && fs.existsSync(spokenOf) ? spokenOf : undefined);
  const at = error.location ?? error.loc?.start ?? error.error?.loc;
  const spoken = /[([](\d+)[,:](\d+)[)\]]/.exec(message);
  const line = at?.line ?? (spoken ? Number(spoken[1]) : undefined);
  const column = at?.character ?? (at?.column === undefined ? undefined : at.column + 1) ?? (spoken ? Number(spoken[2]) : undefined);
  const file = absolute ? path.relative(root, absolute.split('!').pop().split('?')[0]) : undefined;
  // Colours are for terminals.
  // eslint-disable-next-line no-control-regex
  const plain = message.replace(/\u001b\[[0-9;]*m/g, '').replace(/^configuration\n/, '');
  // ts-loader begins with the place, which is told as such.
  const text = plain.replace(/^\[tsl\] (?:ERROR|WARNING) in .*\n\s*/, '');
  return { severity, text, file, line, column };
}

async function webpackCompiler(request) {
  const lib = {
    entries: Object.assign({}, ...request.entries.map((entry) => entry.inputs)),
    serverless: framework(request), options: { stage: request.stage, region: request.region },
    webpack: { isLocal: true },
  };
  for (const name of Object.keys(lib.entries)) lib.entries[name] = `./${lib.entries[name]}`;
  const load = Module._load;
  let typed;
  Module._load = function loadIt(name, ...more) {
    if (name === 'serverless-webpack') return { lib };
    const loaded = load.call(this, name, ...more);
    if (!request.packages.length || !/(?:^|node_modules\/)typescript(?:\/lib\/typescript(?:\.js)?)?$/.test(name)) return loaded;
    if (typed?.of !== loaded) typed = { of: loaded, ts: withTypes(loaded, request.packages) };
    return typed.ts;
  };
  const webpack = require(find('webpack', request.root));
  let config = await exported(path.join(request.root, request.config));
  if (typeof config === 'function') config = config({}, {});
  config = await config;
  for (const one of Array.isArray(config) ? config : [config]) {
    one.context ??= request.root;
    one.entry ??= lib.entries;
    one.target ??= 'node';
    one.output = { libraryTarget: 'commonjs', filename: '[name].js', ...one.output, path: path.join(request.out, `draft-${process.pid}`) };
    one.watch = false;
    if (request.packages.length) {
      one.resolve = { ...one.resolve, modules: [...(one.resolve?.modules ?? ['node_modules']), ...request.packages] };
      one.resolveLoader = { ...one.resolveLoader, modules: [...(one.resolveLoader?.modules ?? ['node_modules']), ...request.packages] };
    }
  }
  return webpack(config);
}

async function runWebpack(request) {
  compiler ??= await webpackCompiler(request);
  const stats = await new Promise((done, failed) => { compiler.run((error, made) => (error ? failed(error) : done(made))); });
  const all = stats.stats ?? [stats];
  const problems = all.flatMap(({ compilation }) => [
    ...compilation.errors.map((error) => webpackProblem('error', request.root, error)),
    ...compilation.warnings.map((error) => webpackProblem('warning', request.root, error)),
  ]);
  if (stats.hasErrors()) return { entries: {}, problems };
  const files = new Map();
  for (const { compilation } of all) {
    for (const name of Object.keys(compilation.assets)) {
      const file = path.join(compilation.outputOptions.path, name.split('?')[0]);
      files.set(path.relative(path.join(request.out, `draft-${process.pid}`), file), fs.readFileSync(file));
    }
  }
  const isEsm = all.some(({ compilation }) => compilation.outputOptions.module);
  if (!files.has('package.json')) files.set('package.json', JSON.stringify({ type: isEsm ? 'module' : 'commonjs' }));
  const made = publish(request.out, 'webpack', files);
  return { entries: Object.fromEntries(request.entries.map((entry) => [entry.id, made])), problems };
}

// TypeScript, file by file, as it lies.
const transpiled = new Map();
function sources(root, folder = '', found = []) {
  for (const entry of fs.readdirSync(path.join(root, folder), { withFileTypes: true })) {
    const name = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules') sources(root, name, found);
    else if (/\.[cm]?tsx?$/.test(name) && !/\.d\.[cm]?ts$/.test(name)) found.push(name);
  }
  return found;
}

function typescript(root) {
  let ts;
  try { ts = require(find('typescript', root)); } catch { return undefined; }
  const file = path.join(root, 'tsconfig.json');
  const read = fs.existsSync(file) ? ts.readConfigFile(file, ts.sys.readFile) : { config: {} };
  if (read.error) return { ts, faults: [read.error] };
  const parsed = ts.parseJsonConfigFileContent(read.config, ts.sys, root);
  const names = parsed.fileNames.filter((name) => !/\.d\.[cm]?ts$/.test(name) && !name.includes('/node_modules/'));
  const options = { ...parsed.options, noEmit: false, declaration: false, declarationMap: false, composite: false, incremental: false,
    outDir: undefined, rootDir: undefined, inlineSourceMap: true, sourceMap: false, inlineSources: true, isolatedModules: true };
  return { ts, faults: [], options, names: names.map((name) => path.relative(root, name)).filter((name) => !name.startsWith('..')) };
}

const compiledName = (name) => name.replace(/\.tsx?$/, '.js').replace(/\.mts$/, '.mjs').replace(/\.cts$/, '.cjs').replace(/\.jsx$/, '.js');

function typescriptProblem(ts, root, one) {
  const text = ts.flattenDiagnosticMessageText(one.messageText, ' ');
  const at = one.file ? one.file.getLineAndCharacterOfPosition(one.start ?? 0) : undefined;
  return { severity: one.category === ts.DiagnosticCategory.Error ? 'error' : 'warning', text: `${text} (TS${one.code})`,
    file: one.file ? path.relative(root, path.resolve(root, one.file.fileName)) : undefined,
    line: at && at.line + 1, column: at && at.character + 1, width: one.length };
}

async function transpile(request, own, name, text) {
  if (own) {
    const { ts, options } = own;
    const made = ts.transpileModule(text, { compilerOptions: options, fileName: path.join(request.root, name), reportDiagnostics: true });
    return { code: made.outputText, problems: made.diagnostics.map((one) => typescriptProblem(ts, request.root, one)) };
  }
  const esbuild = require(find('esbuild', request.root));
  try {
    const made = await esbuild.transform(text, { loader: /x$/.test(name) ? 'tsx' : 'ts', sourcefile: name, sourcemap: 'inline',
      format: isModule(request.root) ? 'esm' : 'cjs', target: 'node18' });
    return { code: made.code, problems: made.warnings.map(problemOf('warning')) };
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    return { code: undefined, problems: error.errors.map(problemOf('error')) };
  }
}

async function runTypescript(request) {
  const own = typescript(request.root);
  if (own?.faults.length) return { entries: {}, problems: own.faults.map((one) => typescriptProblem(own.ts, request.root, one)) };
  const wanted = request.entries.flatMap((entry) => Object.values(entry.inputs));
  const names = [...new Set([...(own?.names ?? sources(request.root)), ...wanted])];
  const files = new Map();
  const problems = [];
  for (const name of names) {
    const text = fs.readFileSync(path.join(request.root, name), 'utf8');
    let made = transpiled.get(name);
    if (made?.text !== text) {
      made = { text, ...(await transpile(request, own, name, text)) };
      transpiled.set(name, made);
    }
    problems.push(...made.problems);
    if (made.code !== undefined) files.set(compiledName(name), made.code);
    for (const [, json] of text.matchAll(/['"](\.[^'"]+\.json)['"]/g)) {
      const beside = path.join(path.dirname(name), json);
      const file = path.join(request.root, beside);
      if (!beside.startsWith('..') && fs.existsSync(file)) files.set(beside, fs.readFileSync(file));
    }
  }
  if (problems.some((one) => one.severity === 'error')) return { entries: {}, problems };
  assets(request.root, ['package.json', ...(request.assets ?? [])], files);
  const made = publish(request.out, 'typescript', files);
  return { entries: Object.fromEntries(request.entries.map((entry) => [entry.id, made])), problems };
}

const TOOLS = { esbuild: runEsbuild, webpack: runWebpack, typescript: runTypescript };

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      const request = JSON.parse(line);
      reply(await TOOLS[request.tool](request));
    } catch (error) {
      const notFound = error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND';
      // A file of a package is not to be installed: the package is broken.
      const missing = notFound ? /'([^'./][^']*)'/.exec(String(error.message))?.[1] : undefined;
      reply({ entries: {}, problems: [], failure: String(error?.stack ?? error), missing });
    }
  }
  process.exit(0);
})();
