// Three people in `examples/chat`, by the npm package `ws`: what each of them reads, as JSON.
import WebSocket from 'ws';

const [address] = process.argv.slice(2);

function join(name) {
  const socket = new WebSocket(`${address}?name=${name}`);
  const waiting = [];
  const arrived = [];
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? data : String(data);
    const next = waiting.shift();
    if (next) next(text);
    else arrived.push(text);
  });
  const read = () =>
    arrived.length > 0 ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve));
  const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve([code, String(reason)])));
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve({ socket, read, closed }));
    socket.on('error', reject);
  });
}

const refused = await join('').catch((error) => error.message);
const ada = await join('ada');
const bob = await join('bob');
ada.socket.send(JSON.stringify({ action: 'say', text: 'hello' }));
const heard = [JSON.parse(await ada.read()), JSON.parse(await bob.read())];
bob.socket.send(JSON.stringify({ action: 'who' }));
const { here, you } = JSON.parse(await bob.read());
ada.socket.send('no such route');
const { message } = JSON.parse(await ada.read());
ada.socket.ping();
await new Promise((resolve) => ada.socket.on('pong', resolve));
ada.socket.close(4000, 'enough');
await ada.closed;
let left = here;
for (let tries = 0; left.length > 1 && tries < 50; tries += 1) {
  bob.socket.send(JSON.stringify({ action: 'who' }));
  left = JSON.parse(await bob.read()).here;
}
// Somebody outside writes to bob, and closes.
console.log(JSON.stringify({ refused, heard, here, message, left, you }));
const outside = await bob.read();
console.log(JSON.stringify({ outside, closed: await bob.closed }));
