// The AWS SDK for JavaScript v2 from outside.
const { SQS } = require('aws-sdk');

const sqs = new SQS({ endpoint: process.env.AWS_ENDPOINT_URL });
(async () => {
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'two.fifo', Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' } }).promise();
  const first = await sqs.sendMessage({ QueueUrl, MessageBody: 'm', MessageGroupId: 'g' }).promise();
  const second = await sqs.sendMessage({ QueueUrl, MessageBody: 'm', MessageGroupId: 'g' }).promise();
  const { Messages } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, AttributeNames: ['All'] }).promise();
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: Messages[0].ReceiptHandle }).promise();
  await sqs.purgeQueue({ QueueUrl }).promise();
  const twice = await sqs.purgeQueue({ QueueUrl }).promise().catch((error) => error.code);
  await sqs.deleteQueue({ QueueUrl }).promise();
  const gone = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] }).promise().catch((error) => error.code);
  const { QueueUrls } = await sqs.listQueues({ QueueNamePrefix: 'two' }).promise();
  console.log(JSON.stringify({ same: first.SequenceNumber === second.SequenceNumber, received: Messages.length,
    group: Messages[0].Attributes.MessageGroupId, twice, gone, left: (QueueUrls || []).length }));
})();
