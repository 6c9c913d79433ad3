// Records what the Serverless Framework itself writes for each case under `cases/`.
//
// Lives here: running `serverless package` (version 3, offline) and writing its normalised template to `expected.json`.
// Does not live here: comparing it with ours (`tests/serverless_framework.rs`, which normalises in the same way).
//
// Usage: node record.mjs [--tool FOLDER] [CASE…]
//   FOLDER is where `serverless@3` and plugins are installed, or get installed with npm; without it, a folder for temporary files.
//   A case may have `request.json`: {"stage", "region", "params": {…}, "environment": {…}}.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const CASES = path.join(HERE, 'cases');
// Plugins that cases name, which the tool finds beside itself.
const PLUGIN = 'serverless-apigateway-service-proxy';
const OFFLINE = path.join(HERE, 'offline.cjs');

function main(args) {
  const toolAt = args.indexOf('--tool');
  const tool = toolAt < 0 ? path.join(os.tmpdir(), 'serverless-framework-3') : args[toolAt + 1];
  const names = args.filter((_, index) => toolAt < 0 || (index !== toolAt && index !== toolAt + 1));
  const program = install(tool);
  for (const name of names.length > 0 ? names : fs.readdirSync(CASES).sort()) {
    const template = normalise(packageOf(program, path.join(CASES, name)));
    fs.writeFileSync(path.join(CASES, name, 'expected.json'), `${JSON.stringify(template, null, 2)}\n`);
    console.log(`recorded ${name}`);
  }
}

function install(tool) {
  const program = path.join(tool, 'node_modules', 'serverless', 'bin', 'serverless.js');
  if (![program, path.join(tool, 'node_modules', PLUGIN)].every((needed) => fs.existsSync(needed))) {
    fs.mkdirSync(tool, { recursive: true });
    const options = ['install', '--prefix', tool, '--no-save', '--no-audit', '--no-fund'];
    options.push('serverless@3', `${PLUGIN}@2`);
    execFileSync('npm', options, { stdio: 'inherit' });
  }
  return program;
}

// Packages a copy of the case, so that nothing is written beside it.
function packageOf(program, folder) {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'serverless-case-'));
  try {
    fs.cpSync(folder, copy, { recursive: true });
    fs.rmSync(path.join(copy, 'expected.json'), { force: true });
    const requestFile = path.join(copy, 'request.json');
    const request = fs.existsSync(requestFile) ? JSON.parse(fs.readFileSync(requestFile, 'utf8')) : {};
    fs.rmSync(requestFile, { force: true });
    const run = spawnSync(process.execPath, ['--require', OFFLINE, program, 'package', ...optionsOf(request)], {
      cwd: copy,
      env: environmentOf(request, copy),
      encoding: 'utf8',
    });
    if (run.status !== 0) throw new Error(`${folder} was not packaged:\n${run.stdout}${run.stderr}`);
    const template = path.join(copy, '.serverless', 'cloudformation-template-update-stack.json');
    return JSON.parse(fs.readFileSync(template, 'utf8'));
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
}

function optionsOf(request) {
  const options = [];
  if (request.stage) options.push('--stage', request.stage);
  if (request.region) options.push('--region', request.region);
  for (const [key, value] of Object.entries(request.params ?? {})) options.push('--param', `${key}=${value}`);
  return options;
}

// Keys that open nothing, and a home without settings: the tool must not read the recorder's own.
function environmentOf(request, home) {
  return {
    PATH: process.env.PATH,
    HOME: home,
    AWS_ACCESS_KEY_ID: 'none',
    AWS_SECRET_ACCESS_KEY: 'none',
    SLS_NOTIFICATIONS_MODE: 'off',
    SLS_TELEMETRY_DISABLED: '1',
    SLS_TRACKING_DISABLED: '1',
    ...(request.environment ?? {}),
  };
}

// Takes out what differs from run to run: times, and what is computed from the packed code.
function normalise(template) {
  const renamed = new Map();
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (resource.Type === 'AWS::ApiGateway::Deployment') renamed.set(id, id.replace(/\d+$/, ''));
    if (resource.Type === 'AWS::ApiGatewayV2::Deployment') renamed.set(id, 'WebsocketsDeployment');
    if (resource.Type === 'AWS::Lambda::Version') {
      renamed.set(id, id.replace(/LambdaVersion[0-9A-Za-z]+$/, 'LambdaVersion'));
      delete resource.Properties.CodeSha256;
    }
    if (resource.Type === 'AWS::Lambda::LayerVersion') renamed.set(id, id.replace(/[0-9a-f]{40}$/, ''));
    if (resource.Type === 'AWS::Lambda::LayerVersionPermission') renamed.set(id, id.replace(/[0-9a-f]{40}$/, ''));
  }
  for (const [id, output] of Object.entries(template.Outputs)) {
    if (id.endsWith('LambdaLayerHash')) output.Value = 'HASH';
  }
  return rename(template, renamed);
}

function rename(value, renamed) {
  if (Array.isArray(value)) return value.map((item) => rename(item, renamed));
  if (typeof value === 'string') {
    const text = renamed.get(value) ?? value;
    return text.replace(/\/\d+-\d{4}-\d\d-\d\dT[\d:.]+Z\//, '/TIMESTAMP/');
  }
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, item]) => [renamed.get(key) ?? key, rename(item, renamed)]);
  return Object.fromEntries(entries);
}

main(process.argv.slice(2));
