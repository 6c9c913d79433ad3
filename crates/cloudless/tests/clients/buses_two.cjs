// The AWS SDK for JavaScript v2 from outside: a rule on the default bus, an event, a schedule in a group.
const AWS = require('aws-sdk');

(async () => {
  const events = new AWS.EventBridge({ endpoint: process.env.AWS_ENDPOINT_URL });
  const scheduler = new AWS.Scheduler({ endpoint: process.env.AWS_ENDPOINT_URL });
  await events.putRule({ Name: 'two', ScheduleExpression: 'cron(0 3 ? * MON-FRI *)', State: 'DISABLED' }).promise();
  const rule = await events.describeRule({ Name: 'two' }).promise();
  const sent = await events.putEvents({ Entries: [{ Source: 's', DetailType: 't', Detail: '{}' }] }).promise();
  const { ScheduleGroupArn } = await scheduler.createScheduleGroup({ Name: 'g' }).promise();
  const wrong = await events.putRule({ Name: 'x', ScheduleExpression: 'rate(1 days)' }).promise().catch((error) => [error.code, error.message]);
  const gone = await scheduler.getSchedule({ Name: 'none', GroupName: 'g' }).promise().catch((error) => [error.code, error.statusCode]);
  console.log(JSON.stringify({ rule: [rule.State, rule.Arn], sent: sent.Entries[0].EventId.length, group: ScheduleGroupArn, wrong, gone }));
})();
