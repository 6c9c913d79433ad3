// The AWS SDK for JavaScript v2 from outside: a stream, a record, an iterator by time.
const AWS = require('aws-sdk');

(async () => {
  const kinesis = new AWS.Kinesis({ endpoint: process.env.AWS_ENDPOINT_URL });
  await kinesis.createStream({ StreamName: 'two', ShardCount: 1 }).promise();
  const { ShardId } = await kinesis.putRecord({ StreamName: 'two', PartitionKey: 'k', Data: 'one' }).promise();
  const { ShardIterator } = await kinesis.getShardIterator({ StreamName: 'two', ShardId, ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(0) }).promise();
  const { Records } = await kinesis.getRecords({ ShardIterator }).promise();
  await kinesis.deleteStream({ StreamName: 'two' }).promise();
  const gone = await kinesis.describeStream({ StreamName: 'two' }).promise().catch((error) => error.code);
  console.log(JSON.stringify({ read: Records.map((one) => one.Data.toString()), key: Records[0].PartitionKey,
    is_date: Records[0].ApproximateArrivalTimestamp instanceof Date, gone }));
})();
