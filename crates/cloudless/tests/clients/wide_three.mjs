// The AWS SDK for JavaScript v3 from outside: indexes, batches, transactions, statements, streams, expiry, tags.
import * as dynamodb from '@aws-sdk/client-dynamodb';
import * as lib from '@aws-sdk/lib-dynamodb';
import * as streams from '@aws-sdk/client-dynamodb-streams';

const client = new dynamodb.DynamoDBClient({});
const table = lib.DynamoDBDocumentClient.from(client);
const TableName = 'wide-three';
const failed = (promise) => promise.then(() => ['nothing'], (error) => [error.name, (error.CancellationReasons ?? []).map((reason) => reason.Code)]);

const made = await client.send(new dynamodb.CreateTableCommand({
  TableName, BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }, { AttributeName: 'at', AttributeType: 'N' }, { AttributeName: 'kind', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }, { AttributeName: 'at', KeyType: 'RANGE' }],
  GlobalSecondaryIndexes: [{ IndexName: 'by-kind', KeySchema: [{ AttributeName: 'kind', KeyType: 'HASH' }, { AttributeName: 'at', KeyType: 'RANGE' }], Projection: { ProjectionType: 'ALL' } }],
  StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
}));
await dynamodb.waitUntilTableExists({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 10 }, { TableName });
const StreamArn = made.TableDescription.LatestStreamArn;
const puts = Array.from({ length: 25 }, (_, at) => ({ PutRequest: { Item: { id: 'a', at, kind: at % 2 ? 'odd' : 'even', n: at } } }));
const written = await table.send(new lib.BatchWriteCommand({ RequestItems: { [TableName]: puts } }));
const got = await table.send(new lib.BatchGetCommand({ RequestItems: { [TableName]: { Keys: [{ id: 'a', at: 1 }, { id: 'a', at: 99 }] } } }));
const index = await table.send(new lib.QueryCommand({ TableName, IndexName: 'by-kind', KeyConditionExpression: 'kind = :k AND #at > :at', ExpressionAttributeNames: { '#at': 'at' }, ExpressionAttributeValues: { ':k': 'odd', ':at': 19 } }));
const update = (at, n) => ({ Update: { TableName, Key: { id: 'a', at }, UpdateExpression: 'SET n = n + :one', ConditionExpression: 'n = :n', ExpressionAttributeValues: { ':one': 1, ':n': n } } });
await table.send(new lib.TransactWriteCommand({ TransactItems: [update(0, 0), { Put: { TableName, Item: { id: 'b', at: 0 } } }, { Delete: { TableName, Key: { id: 'a', at: 24 } } }] }));
const cancelled = await failed(table.send(new lib.TransactWriteCommand({ TransactItems: [update(1, 1), update(2, 7)] })));
const read = await table.send(new lib.TransactGetCommand({ TransactItems: [{ Get: { TableName, Key: { id: 'a', at: 0 } } }, { Get: { TableName, Key: { id: 'a', at: 24 } } }] }));
let NextToken;
const stated = [];
do {
  const page = await table.send(new lib.ExecuteStatementCommand({ Statement: `SELECT "at" FROM "${TableName}" WHERE id = ? AND "at" < 7 ORDER BY "at" DESC`, Parameters: ['a'], Limit: 3, NextToken }));
  stated.push(page.Items.map((item) => item.at));
  NextToken = page.NextToken;
} while (NextToken);
const batch = await table.send(new lib.BatchExecuteStatementCommand({ Statements: [
  { Statement: `SELECT n FROM "${TableName}" WHERE id = 'a' AND "at" = 0` }, { Statement: `SELECT * FROM "${TableName}" WHERE kind = 'odd'` }] }));
const duplicate = await failed(table.send(new lib.ExecuteTransactionCommand({ TransactStatements: [
  { Statement: `UPDATE "${TableName}" SET n = 9 WHERE id = 'a' AND "at" = 1` }, { Statement: `INSERT INTO "${TableName}" VALUE {'id': 'b', 'at': 0}` }] })));
await client.send(new dynamodb.UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { AttributeName: 'until', Enabled: true } }));
await client.send(new dynamodb.TagResourceCommand({ ResourceArn: made.TableDescription.TableArn, Tags: [{ Key: 'team', Value: 'blue' }] }));
const tags = await client.send(new dynamodb.ListTagsOfResourceCommand({ ResourceArn: made.TableDescription.TableArn }));

const source = new streams.DynamoDBStreamsClient({});
const described = await source.send(new streams.DescribeStreamCommand({ StreamArn }));
const names = [];
for (const { ShardId } of described.StreamDescription.Shards) {
  let { ShardIterator } = await source.send(new streams.GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' }));
  for (let empty = 0; ShardIterator && empty < 2;) {
    const page = await source.send(new streams.GetRecordsCommand({ ShardIterator }));
    names.push(...page.Records.map((record) => record.eventName));
    empty += page.Records.length ? 0 : 1;
    ShardIterator = page.NextShardIterator;
  }
}
const count = (name) => names.filter((other) => other === name).length;
console.log(JSON.stringify({
  unprocessed: Object.keys(written.UnprocessedItems).length,
  got: got.Responses[TableName].map((item) => item.n),
  index: index.Items.map((item) => item.at),
  cancelled,
  read: read.Responses.map((each) => each.Item?.n ?? null),
  stated,
  batch: batch.Responses.map((each) => each.Item?.n ?? each.Error?.Code),
  duplicate,
  ttl: (await client.send(new dynamodb.DescribeTimeToLiveCommand({ TableName }))).TimeToLiveDescription.AttributeName,
  tags: tags.Tags,
  stream: ['INSERT', 'MODIFY', 'REMOVE'].map(count),
}));
