const { DynamoDBClient, CreateTableCommand, DeleteTableCommand, ListTablesCommand, paginateScan, waitUntilTableExists,
  PutItemCommand, ResourceNotFoundException, ConditionalCheckFailedException, ResourceInUseException } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient, PutCommand, GetCommand, QueryCommand, ScanCommand, UpdateCommand, DeleteCommand } = require('@aws-sdk/lib-dynamodb');
const failed = (promise, type) => promise.then(() => ['nothing'], (error) => [error.name, type ? error instanceof type : null, error.message]);

exports.journey = async () => {
  const client = new DynamoDBClient({});
  const table = DynamoDBDocumentClient.from(client);
  const TableName = 'node-three';
  const schema = { TableName, BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }, { AttributeName: 'at', AttributeType: 'N' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }, { AttributeName: 'at', KeyType: 'RANGE' }] };
  await client.send(new CreateTableCommand(schema));
  await waitUntilTableExists({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 5 }, { TableName });
  for (let at = 0; at < 30; at++) {
    await table.send(new PutCommand({ TableName, Item: { id: 'a', at, kind: at % 2 ? 'odd' : 'even', bytes: new Uint8Array([0, 255]), set: new Set(['x', 'y']), ratio: 0.1, deep: { list: [1, null, true] } } }));
  }
  const { Item: item } = await table.send(new GetCommand({ TableName, Key: { id: 'a', at: 3 } }));
  const counts = [];
  for await (const page of paginateScan({ client, pageSize: 7 }, { TableName })) counts.push(page.Count);
  const found = await table.send(new QueryCommand({ TableName, KeyConditionExpression: 'id = :id AND #at BETWEEN :from AND :to',
    ExpressionAttributeNames: { '#at': 'at' }, ExpressionAttributeValues: { ':id': 'a', ':from': 5, ':to': 9 }, ScanIndexForward: false }));
  const filtered = await table.send(new ScanCommand({ TableName, FilterExpression: 'kind = :k', ExpressionAttributeValues: { ':k': 'odd' } }));
  await table.send(new UpdateCommand({ TableName, Key: { id: 'a', at: 3 }, UpdateExpression: 'SET #k = :k ADD seen :two', ExpressionAttributeNames: { '#k': 'kind' }, ExpressionAttributeValues: { ':k': 'changed', ':two': 2 } }));
  const { Item: updated } = await table.send(new GetCommand({ TableName, Key: { id: 'a', at: 3 } }));
  const result = {
    item: [item.kind, item.bytes[1] === 255, [...item.set].sort(), String(item.ratio), item.deep.list.slice(1)],
    scanned: [counts.reduce((sum, count) => sum + count, 0), counts.filter(Boolean).length],
    queried: found.Items.map((each) => each.at),
    filtered: [filtered.Count, filtered.ScannedCount],
    updated: [updated.kind, updated.seen],
    no_table: await failed(table.send(new GetCommand({ TableName: 'nowhere', Key: { id: 'a' } })), ResourceNotFoundException),
    condition: await failed(table.send(new PutCommand({ TableName, Item: { id: 'a', at: 3 }, ConditionExpression: 'attribute_not_exists(id)' })), ConditionalCheckFailedException),
    no_key: await failed(client.send(new PutItemCommand({ TableName, Item: { id: { S: 'a' } } }))),
    twice: await failed(client.send(new CreateTableCommand(schema)), ResourceInUseException),
  };
  await table.send(new DeleteCommand({ TableName, Key: { id: 'a', at: 3 } }));
  result.gone = (await table.send(new GetCommand({ TableName, Key: { id: 'a', at: 3 } }))).Item === undefined;
  await client.send(new DeleteTableCommand({ TableName }));
  result.listed = (await client.send(new ListTablesCommand({}))).TableNames.includes(TableName);
  return result;
};
