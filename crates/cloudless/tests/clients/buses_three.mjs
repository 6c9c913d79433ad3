// The AWS SDK for JavaScript v3 from outside: a bus, its policy, a rule, its targets, events and what they are refused for.
import * as eb from '@aws-sdk/client-eventbridge';

const client = new eb.EventBridgeClient({});
const { EventBusArn } = await client.send(new eb.CreateEventBusCommand({ Name: 'three', Tags: [{ Key: 'team', Value: 'blue' }] }));
await client.send(new eb.PutPermissionCommand({ EventBusName: 'three', Action: 'events:PutEvents', Principal: '111111111111', StatementId: 's' }));
const { Policy } = await client.send(new eb.DescribeEventBusCommand({ Name: 'three' }));
await client.send(new eb.PutRuleCommand({ Name: 'r', EventBusName: 'three', EventPattern: '{"source":["a"]}' }));
const put = await client.send(new eb.PutTargetsCommand({ Rule: 'r', EventBusName: 'three', Targets: [{ Id: 't', Arn: 'arn:aws:sqs:us-east-1:000000000000:none' }] }));
const { Targets } = await client.send(new eb.ListTargetsByRuleCommand({ Rule: 'r', EventBusName: 'three' }));
const sent = await client.send(new eb.PutEventsCommand({ Entries: [{ EventBusName: EventBusArn, Source: 'a', DetailType: 't', Detail: '{}', Time: new Date(0) }, { Source: 'a', DetailType: 't', Detail: 'x' }] }));
const { Result } = await client.send(new eb.TestEventPatternCommand({ EventPattern: '{"source":[{"wildcard":"a*"}]}', Event: JSON.stringify({ id: '1', account: '2', source: 'abc', time: 'now', region: 'r', 'detail-type': 't' }) }));
const missing = await client.send(new eb.DescribeRuleCommand({ Name: 'none' })).catch((error) => [error.name, error.message]);
const refused = await client.send(new eb.ListEndpointsCommand({})).catch((error) => [error.name, error.message]);
console.log(JSON.stringify({ statements: JSON.parse(Policy).Statement.length, failed: put.FailedEntryCount, targets: Targets.map((one) => one.Id),
  sent: [sent.FailedEntryCount, sent.Entries[0].EventId.length, sent.Entries[1].ErrorCode], matches: Result, missing, refused }));
