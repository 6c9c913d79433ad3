// The AWS SDK for JavaScript v3 from outside: a topic, its subscription, messages and what they are refused for.
import * as sns from '@aws-sdk/client-sns';

const client = new sns.SNSClient({});
const { TopicArn } = await client.send(new sns.CreateTopicCommand({ Name: 'three', Attributes: { DisplayName: 'Three' }, Tags: [{ Key: 'team', Value: 'blue' }] }));
const { SubscriptionArn } = await client.send(new sns.SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: 'arn:aws:sqs:us-east-1:000000000000:none', ReturnSubscriptionArn: true, Attributes: { RawMessageDelivery: 'true' } }));
await client.send(new sns.SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName: 'FilterPolicy', AttributeValue: '{"a":["b"]}' }));
const { Attributes } = await client.send(new sns.GetSubscriptionAttributesCommand({ SubscriptionArn }));
const published = await client.send(new sns.PublishCommand({ TopicArn, Message: 'm', MessageAttributes: { a: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2]) } } }));
const batch = await client.send(new sns.PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: [{ Id: 'a', Message: 'm' }, { Id: 'b', Message: 'm', Subject: 'x\ny' }] }));
const { Tags } = await client.send(new sns.ListTagsForResourceCommand({ ResourceArn: TopicArn }));
const missing = await client.send(new sns.PublishCommand({ TopicArn: `${TopicArn}x`, Message: 'm' })).catch((error) => [error.name, error.message]);
const refused = await client.send(new sns.PublishCommand({ PhoneNumber: '+4915112345678', Message: 'm' })).catch((error) => error.name);
console.log(JSON.stringify({ filter: [Attributes.FilterPolicy, Attributes.FilterPolicyScope], published: published.MessageId.length,
  batch: [batch.Successful.length, batch.Failed[0].Code], tags: Tags, missing, refused }));
