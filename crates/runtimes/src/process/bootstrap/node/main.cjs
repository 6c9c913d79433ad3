// The program inside a Node.js process of ours: it is told first what it is to be.
//
// Lives here: that choice.
// Does not live here: an instance's life (`instance`), processes that are forked (`zygote`).
'use strict';
const channel = require('./channel.cjs');
const instance = require('./instance.cjs');

async function main() {
  const order = channel.receiveOrder();
  if (order === undefined) return;
  if (order.kind === 'base') {
    await require('./zygote.cjs').run(order);
    return;
  }
  instance.install();
  const program = await instance.load(order);
  instance.serve(program, channel.types.ready);
}

main();
