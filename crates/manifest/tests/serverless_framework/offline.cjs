// Answers in place of the cloud while a case is recorded: there is no stack, and the account is all zeros.
//
// Lives here: the one module of the Serverless Framework that is replaced, its caller of the cloud.
// Does not live here: running the tool (`record.mjs`).

const Module = require('node:module');

const load = Module._load;

Module._load = function answering(request, ...rest) {
  return request === '../../aws/request' ? answer : load.call(this, request, ...rest);
};

async function answer(_service, method) {
  if (method === 'getCallerIdentity') {
    return { Account: '000000000000', Arn: 'arn:aws:iam::000000000000:root' };
  }
  throw new Error('it does not exist');
}
answer.memoized = answer;
