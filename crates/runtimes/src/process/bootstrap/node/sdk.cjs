// The cloud's SDK, loaded before there is a function.
//
// Lives here: which packages of it, and a run of requests that nobody sent, so that what they need is loaded and
// compiled.
// Does not live here: an SDK that a function brings along: its files are others, so its own `require` finds those.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const { createRequire } = require('node:module');
const net = require('node:net');
const path = require('node:path');

// What most functions load that load any of it.
const CLIENT = '@aws-sdk/client-dynamodb';
const DOCUMENTS = '@aws-sdk/lib-dynamodb';
const REQUESTS = 5;
// A version of another shape may never answer. It is no reason to wait with the base.
const WARMING_MS_MAX = 2000;
// The developer's own files are not read here, where they would be kept.
const NO_FILES = { AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };

// Only folders in which packages find one another without NODE_PATH, since a function may lead that elsewhere.
async function load(folders, addon) {
  for (const folder of folders.filter((name) => path.basename(name) === 'node_modules')) {
    const find = createRequire(path.join(path.dirname(folder), 'anchor.cjs'));
    const [client, documents] = [CLIENT, DOCUMENTS].map((name) => loadPackage(folder, name, find));
    if (client === undefined || documents === undefined) continue;
    try {
      await warm(client, documents, addon);
    } catch { /* an SDK of an unknown shape is only less warm */ }
  }
}

function loadPackage(folder, name, find) {
  if (!fs.existsSync(path.join(folder, name))) return undefined;
  try {
    return find(name);
  } catch {
    return undefined; // a package that does not load fails where it is used
  }
}

// Through a pair of sockets: nothing listens, nothing is connected.
async function warm({ DynamoDBClient }, { DynamoDBDocumentClient, GetCommand, PutCommand }, addon) {
  const [near, far] = addon.socketPair().map((fd) => new net.Socket({ fd, readable: true, writable: true }));
  const closed = [near, far].map((socket) => new Promise((resolve) => { socket.once('close', resolve); }));
  const server = http.createServer((request, reply) => {
    request.resume().on('end', () => {
      reply.setHeader('content-type', 'application/x-amz-json-1.0').end('{"Item":{"id":{"S":"-"}}}');
    });
  });
  server.emit('connection', far);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => near;
  const client = new DynamoDBClient({
    endpoint: 'http://localhost',
    region: 'us-east-1',
    credentials: { accessKeyId: '-', secretAccessKey: '-' },
    requestHandler: { httpAgent: agent },
    maxAttempts: 1,
  });
  const giveUp = setTimeout(() => near.destroy(), WARMING_MS_MAX);
  Object.assign(process.env, NO_FILES);
  try {
    const table = DynamoDBDocumentClient.from(client);
    const [TableName, id] = ['-', '-'];
    for (let i = 0; i < REQUESTS; i += 1) {
      await table.send(new PutCommand({ TableName, Item: { id } }));
      await table.send(new GetCommand({ TableName, Key: { id } }));
    }
  } finally {
    for (const name of Object.keys(NO_FILES)) delete process.env[name];
    clearTimeout(giveUp);
    client.destroy();
    near.destroy();
    far.destroy();
    await Promise.all(closed);
  }
}

module.exports = { load };
