const AWS = require('aws-sdk');
const failed = (promise) => promise.then(() => ['nothing'], (error) => [error.code, error.statusCode, error.message]);

exports.journey = async () => {
  const client = new AWS.DynamoDB();
  const table = new AWS.DynamoDB.DocumentClient();
  const TableName = 'node-two';
  const schema = { TableName, BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }, { AttributeName: 'at', AttributeType: 'N' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }, { AttributeName: 'at', KeyType: 'RANGE' }] };
  await client.createTable(schema).promise();
  for (let at = 0; at < 30; at++) {
    await table.put({ TableName, Item: { id: 'a', at, kind: at % 2 ? 'odd' : 'even', bytes: Buffer.from([0, 255]), set: table.createSet(['x', 'y']), ratio: 0.1, deep: { list: [1, null, true] } } }).promise();
  }
  const { Item: item } = await table.get({ TableName, Key: { id: 'a', at: 3 } }).promise();
  const counts = [];
  let start;
  do {
    const page = await table.scan({ TableName, Limit: 7, ExclusiveStartKey: start }).promise();
    counts.push(page.Count);
    start = page.LastEvaluatedKey;
  } while (start);
  const found = await table.query({ TableName, KeyConditionExpression: 'id = :id AND #at BETWEEN :from AND :to',
    ExpressionAttributeNames: { '#at': 'at' }, ExpressionAttributeValues: { ':id': 'a', ':from': 5, ':to': 9 }, ScanIndexForward: false }).promise();
  const filtered = await table.scan({ TableName, FilterExpression: 'kind = :k', ExpressionAttributeValues: { ':k': 'odd' } }).promise();
  await table.update({ TableName, Key: { id: 'a', at: 3 }, UpdateExpression: 'SET #k = :k ADD seen :two', ExpressionAttributeNames: { '#k': 'kind' }, ExpressionAttributeValues: { ':k': 'changed', ':two': 2 } }).promise();
  const { Item: updated } = await table.get({ TableName, Key: { id: 'a', at: 3 } }).promise();
  const result = {
    item: [item.kind, item.bytes[1] === 255, [...item.set.values].sort(), String(item.ratio), item.deep.list.slice(1)],
    scanned: [counts.reduce((sum, count) => sum + count, 0), counts.filter(Boolean).length],
    queried: found.Items.map((each) => each.at),
    filtered: [filtered.Count, filtered.ScannedCount],
    updated: [updated.kind, updated.seen],
    no_table: await failed(table.get({ TableName: 'nowhere', Key: { id: 'a' } }).promise()),
    condition: await failed(table.put({ TableName, Item: { id: 'a', at: 3 }, ConditionExpression: 'attribute_not_exists(id)' }).promise()),
    no_key: await failed(client.putItem({ TableName, Item: { id: { S: 'a' } } }).promise()),
    twice: await failed(client.createTable(schema).promise()),
  };
  await table.delete({ TableName, Key: { id: 'a', at: 3 } }).promise();
  result.gone = (await table.get({ TableName, Key: { id: 'a', at: 3 } }).promise()).Item === undefined;
  await client.deleteTable({ TableName }).promise();
  result.listed = (await client.listTables().promise()).TableNames.includes(TableName);
  return result;
};
