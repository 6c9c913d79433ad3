// The AWS SDK for JavaScript v3 from outside, on a function that a template declares.
import * as lambda from '@aws-sdk/client-lambda';

const client = new lambda.LambdaClient({});
const FunctionName = 'declared';
const text = (reply) => JSON.parse(new TextDecoder().decode(reply.Payload));
const call = async (more) => text(await client.send(new lambda.InvokeCommand({ FunctionName, ...more })));
const before = await call({});
const logged = await client.send(new lambda.InvokeCommand({ FunctionName, LogType: 'Tail' }));
await client.send(new lambda.UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables: { NAME: 'changed' } }, MemorySize: 256 }));
await lambda.waitUntilFunctionUpdatedV2({ client, maxWaitTime: 20 }, { FunctionName });
const after = await call({});
const { Version } = await client.send(new lambda.PublishVersionCommand({ FunctionName }));
await client.send(new lambda.PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
const throttled = await call({}).catch((error) => error.name);
await client.send(new lambda.DeleteFunctionConcurrencyCommand({ FunctionName }));
const { Configuration } = await client.send(new lambda.GetFunctionCommand({ FunctionName }));
const url = await client.send(new lambda.CreateFunctionUrlConfigCommand({ FunctionName, AuthType: 'NONE' }));
await client.send(new lambda.AddPermissionCommand({ FunctionName, StatementId: 'all', Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE' }));
const { Policy } = await client.send(new lambda.GetPolicyCommand({ FunctionName }));
const { Functions } = await client.send(new lambda.ListFunctionsCommand({ FunctionVersion: 'ALL' }));
console.log(JSON.stringify({ before, after, throttled, published: await call({ Qualifier: Version }),
  memory: Configuration.MemorySize, tail: atob(logged.LogResult).includes('REPORT'), url: new URL(url.FunctionUrl).host.split('.').slice(1).join('.'),
  sid: JSON.parse(Policy).Statement[0].Sid, listed: Functions.map((one) => one.Version) }));
