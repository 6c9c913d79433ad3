// The AWS SDK for JavaScript v3 from outside: a stream, records, an iterator. It speaks HTTP/2 to Kinesis unless it is told otherwise.
import * as kinesis from '@aws-sdk/client-kinesis';

const client = new kinesis.KinesisClient({});
const StreamName = 'three';
await client.send(new kinesis.CreateStreamCommand({ StreamName, ShardCount: 1 }));
await kinesis.waitUntilStreamExists({ client, maxWaitTime: 20 }, { StreamName });
const { StreamDescription } = await client.send(new kinesis.DescribeStreamCommand({ StreamName }));
const put = (text) => client.send(new kinesis.PutRecordCommand({ StreamName, PartitionKey: 'k', Data: new TextEncoder().encode(text) }));
await put('one');
await put('two');
const ShardId = StreamDescription.Shards[0].ShardId;
const { ShardIterator } = await client.send(new kinesis.GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }));
const read = await client.send(new kinesis.GetRecordsCommand({ ShardIterator }));
const missing = await client.send(new kinesis.DescribeStreamCommand({ StreamName: 'none' })).catch((error) => [error.name, error.message]);
console.log(JSON.stringify({ status: StreamDescription.StreamStatus, read: read.Records.map((one) => new TextDecoder().decode(one.Data)),
  behind: read.MillisBehindLatest, missing }));
client.destroy();
