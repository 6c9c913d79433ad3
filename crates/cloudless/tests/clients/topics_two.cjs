// The AWS SDK for JavaScript v2 from outside.
const { SNS } = require('aws-sdk');

const client = new SNS({ endpoint: process.env.AWS_ENDPOINT_URL });
(async () => {
  const { TopicArn } = await client.createTopic({ Name: 'two' }).promise();
  const pending = await client.subscribe({ TopicArn, Protocol: 'email', Endpoint: 'a@example.com' }).promise();
  const { MessageId } = await client.publish({ TopicArn, Message: JSON.stringify({ default: 'd' }), MessageStructure: 'json' }).promise();
  const wrong = await client.publish({ TopicArn, Message: '{}', MessageStructure: 'json' }).promise().catch((error) => [error.code, error.message]);
  const { Subscriptions } = await client.listSubscriptionsByTopic({ TopicArn }).promise();
  await client.deleteTopic({ TopicArn }).promise();
  const gone = await client.getTopicAttributes({ TopicArn }).promise().catch((error) => [error.code, error.statusCode]);
  console.log(JSON.stringify({ pending: pending.SubscriptionArn, published: MessageId.length, wrong, listed: Subscriptions[0].SubscriptionArn, gone }));
})();
