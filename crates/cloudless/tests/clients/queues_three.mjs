// The AWS SDK for JavaScript v3 from outside: it sends requests to a queue's own address, and checks digests.
import * as sqs from '@aws-sdk/client-sqs';

const client = new sqs.SQSClient({});
const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: 'three', Attributes: { VisibilityTimeout: '60' }, tags: { team: 'blue' } }));
const sent = await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: 'hellö', MessageAttributes: { bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2]) } } }));
await client.send(new sqs.SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: 'a', MessageBody: 'a' }, { Id: 'b', MessageBody: 'b', DelaySeconds: 900 }] }));
const { Messages } = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['All'] }));
await client.send(new sqs.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: Messages[1].ReceiptHandle, VisibilityTimeout: 0 }));
const again = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }));
await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }));
const { Attributes } = await client.send(new sqs.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
const { Tags } = await client.send(new sqs.ListQueueTagsCommand({ QueueUrl }));
const refused = await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: 'x' })).catch((error) => error.name);
console.log(JSON.stringify({ same: sent.MessageId === Messages[0].MessageId, bodies: Messages.map((message) => message.Body),
  bytes: [...Messages[0].MessageAttributes.bytes.BinaryValue], again: again.Messages[0].Body, tags: Tags, refused,
  counts: [Attributes.ApproximateNumberOfMessages, Attributes.ApproximateNumberOfMessagesNotVisible, Attributes.ApproximateNumberOfMessagesDelayed] }));
