// Ways out of a sandbox, from Node.js. Each attempt gives something that is true if it got what it wanted.
// Run by `escape.rs`: prints a line for each, "held: ..." or "ESCAPED: ...".
import { execFileSync, spawn, spawnSync, fork } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import process from 'node:process';
import { Worker } from 'node:worker_threads';

const E = process.env;
const attempts = {
  readsTheHostsPasswords: () => anyOf(read, '/etc/shadow', '/root/.bashrc', '/root/.ssh/id_rsa'),
  readsAFileOfTheHostByItsPath: () => read(E.SECRET_FILE),
  climbsOutOfTheCode: () => anyOf(read, `../../..${E.SECRET_FILE}`, `/var/task/../../..${E.SECRET_FILE}`),
  goesThroughTheRootOfTheNanny: () => read(`/proc/1/root${E.SECRET_FILE}`),
  readsTheEnvironmentOfTheNanny: () => anyOf(read, '/proc/1/environ', '/proc/1/mem', '/proc/1/maps'),
  opensTheDescriptorsOfTheNanny: () => anyOf(read, ...[0, 1, 2, 3, 4, 5].map((n) => `/proc/1/fd/${n}`)),
  linksToAFileOfTheHost: () => { fs.symlinkSync(E.SECRET_FILE, '/tmp/link'); return read('/tmp/link'); },
  readsTheEnvironmentOfOthers: () => anyOf((pid) => read(`/proc/${pid}/environ`), ...fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)),
  writesIntoTheCode: () => anyOf(write, '/var/task/new.js', '/opt/attempts.mjs'),
  changesTheModeOfTheCode: () => { fs.chmodSync('/opt/attempts.mjs', 0o777); return true; },
  removesTheCode: () => { fs.rmSync('/opt/attempts.mjs'); return true; },
  writesIntoTheRuntime: () => anyOf(write, process.execPath, '/usr/new', '/etc/passwd'),
  changesTheKernelByItsFiles: () => anyOf(write, '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/self/oom_score_adj', '/proc/self/uid_map'),
  leavesItsGroups: () => anyOf(write, '/sys/fs/cgroup/cgroup.procs', '/sys/fs/cgroup/pids/tasks', '/sys/fs/cgroup/memory/tasks'),
  readsTheMemoryOfTheMachine: () => anyOf(read, '/dev/mem', '/proc/kcore', '/dev/kmsg'),
  watchesFilesOfTheHost: () => fs.watch(E.SECRET_FILE).close() ?? true,
  killsTheNanny: () => process.kill(1, 'SIGKILL'),
  killsAProcessOfTheHost: () => process.kill(Number(E.HOST_PID), 0),
  seesProcessesOfTheHost: () => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length > 8,
  becomesRoot: () => anyOf((id) => { process.setuid(id); return true; }, 0, 65534),
  becomesRootByAProgram: () => anyOf((program) => succeeds(program, ['-c', 'true']), '/bin/su', '/usr/bin/sudo'),
  becomesAnotherGroup: () => { process.setgroups([0]); return true; },
  raisesItsPriority: () => { os.setPriority(0, -10); return true; },
  raisesItsLimits: () => succeeds('/bin/sh', ['-c', 'ulimit -n 1048576']),
  makesADevice: () => succeeds('/bin/mknod', ['/tmp/device', 'c', '1', '1']),
  readsTheLogOfTheKernel: () => succeeds('/bin/dmesg', []),
  setsTheClock: () => succeeds('/bin/date', ['-s', new Date().toISOString()]),
  renamesTheMachine: () => succeeds('/bin/hostname', ['another']),
  mountsByAProgram: () => succeeds('/bin/mount', ['-t', 'tmpfs', 'x', '/tmp']),
  makesNamespacesByAProgram: () => anyOf((flag) => succeeds('/usr/bin/unshare', [flag, '/bin/true']), '--user', '--mount', '--net', '--pid'),
  entersNamespacesByAProgram: () => succeeds('/usr/bin/nsenter', ['-t', '1', '-m', '/bin/true']),
  tracesByAProgram: () => succeeds('/usr/bin/strace', ['-p', '1']),
  asksForTheMetadataOfTheMachine: () => get('169.254.169.254', 80),
  connectsToTheLoopbackOfTheHost: () => get('127.0.0.1', Number(E.SECRET_PORT)),
  connectsToTheLoopbackByAnotherName: async () => (await get('::ffff:127.0.0.1', Number(E.SECRET_PORT))) || get('::1', Number(E.SECRET_PORT)),
  connectsToTheLoopbackByNoAddress: async () => get('0.0.0.0', Number(E.SECRET_PORT)),
  rebindsANameBetweenTwoQuestions: async () => {
    let asked = 0;
    const lookup = (name, options, done) => { asked += 1; const at = asked % 2 ? '192.0.2.1' : '127.0.0.1'; done(null, options.all ? [{ address: at, family: 4 }] : at, 4); };
    const once = () => new Promise((done) => {
      const socket = net.connect({ host: 'rebound.test', port: Number(E.SECRET_PORT), lookup });
      socket.setTimeout(2000, () => socket.destroy()).on('data', (data) => { done(String(data)); socket.destroy(); }).on('error', () => {}).on('close', () => done(''));
    });
    return (await once()) || once();
  },
  connectsFromAThread: () => inWorker(`require('net').connect(${E.SECRET_PORT}, '127.0.0.1').on('data', (d) => post(String(d))).on('error', (e) => post('held: ' + e.message))`),
  readsFromAThread: () => inWorker(`try { post(require('fs').readFileSync('${E.SECRET_FILE}', 'utf8')) } catch (e) { post('held: ' + e.message) }`),
  connectsFromAChild: () => {
    const code = `require('net').connect(${E.SECRET_PORT}, '127.0.0.1').on('data', () => process.exit(7)).on('error', () => process.exit(3))`;
    return spawnSync(process.execPath, ['-e', code]).status === 7;
  },
  sendsDatagramsToTheHost: () => datagram(Number(E.SECRET_PORT)),
  connectsToASocketOfTheHostByItsPath: () => get(undefined, undefined, E.SOCKET_FILE),
  connectsToASocketAmongWhatIsShown: () => get(undefined, undefined, E.SHOWN_SOCKET),
  connectsToAnAbstractSocketOfTheHost: () => get(undefined, undefined, `\0${E.ABSTRACT}`),
  takesOurPlaceAsAService: () => listening(4566),
  hasAnInterfaceOfTheHost: () => Object.keys(os.networkInterfaces()).some((name) => name !== 'lo'),
  resolvesToTheHost: async () => { const at = await new Promise((done) => dns.resolve4('localhost', (error, found) => done(error ? '' : found[0]))); return at && get(at, Number(E.SECRET_PORT)); },
  fillsTmp: () => { const file = fs.openSync('/tmp/big', 'w'); const part = Buffer.alloc(1 << 20); for (let n = 0; n < 256; n++) fs.writeSync(file, part); return true; },
  opensFilesWithoutEnd: () => { let count = 0; const opened = []; try { for (; count < 4096; count++) opened.push(fs.openSync('/dev/null')); } catch { /* as many as there may be */ } opened.forEach((file) => fs.closeSync(file)); return count > 1024; },
  leavesADumpOfMemory: () => spawnSync('/bin/sh', ['-c', 'cd /tmp; kill -ABRT $$']) && fs.readdirSync('/tmp').some((name) => name.startsWith('core')),
  losesItsFilterInAChild: () => execFileSync('/bin/grep', ['Seccomp:', '/proc/self/status'], { encoding: 'utf8' }).trim() !== 'Seccomp:\t2',
  // The last: what it started is gone only some time later.
  forksWithoutEnd: () => { let count = 0; const children = []; for (; count < 2000; count++) { const child = spawn('/bin/sleep', ['60']); child.on('error', () => {}); if (!child.pid) break; children.push(child); } children.forEach((child) => child.kill('SIGKILL')); return count > 1000; },
};

const read = (path) => { const file = fs.openSync(path); const part = Buffer.alloc(16); return fs.readSync(file, part, 0, 16, null); };
const write = (path) => { fs.writeFileSync(path, '1'); return path; };
const succeeds = (program, args) => { const ended = spawnSync(program, args, { timeout: 2000 }); if (ended.error) throw ended.error; return ended.status === 0; };
function anyOf(action, ...many) {
  let refusal;
  for (const one of many) {
    try { const got = action(one); if (got) return got; } catch (error) { refusal = error; }
  }
  if (refusal) throw refusal;
}
const get = (host, port, path) => new Promise((done, failed) => {
  const socket = path ? net.connect(path) : net.connect(port, host);
  socket.setTimeout(2000, () => socket.destroy(new Error('nothing came')));
  socket.on('data', (data) => { done(String(data)); socket.destroy(); }).on('error', failed).on('close', () => failed(new Error('closed')));
});
const datagram = (port) => new Promise((done) => {
  const socket = dgram.createSocket('udp4');
  setTimeout(() => { socket.close(); done(false); }, 300);
  socket.on('message', (message) => done(String(message))).on('error', () => done(false)).send('ping', port, '127.0.0.1');
});
const listening = (port) => new Promise((done, failed) => net.createServer().on('error', failed).listen(port, '127.0.0.1', () => done(true)));
const inWorker = (code) => new Promise((done) => {
  const worker = new Worker(`const post = (text) => require('worker_threads').parentPort.postMessage(text); ${code}`, { eval: true });
  worker.on('message', (text) => { worker.terminate(); done(text.startsWith('held') ? false : text); }).on('error', () => done(false));
});

for (const [name, attempt] of Object.entries(attempts)) {
  let said;
  try { const got = await attempt(); said = got ? `ESCAPED: ${got}` : `held: ${got}`; } catch (error) { said = `held: ${error.message}`; }
  console.log(`${name.padEnd(40)} ${said.split('\n')[0]}`);
}
process.exit(0);
