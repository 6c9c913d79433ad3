// The AWS SDK for JavaScript v2 from outside: batches, transactions, statements.
const AWS = require('aws-sdk');

(async () => {
  // This version knows no variable for the endpoint.
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const client = new AWS.DynamoDB({ endpoint });
  const table = new AWS.DynamoDB.DocumentClient({ endpoint });
  const TableName = 'wide-two';
  await client.createTable({ TableName, BillingMode: 'PAY_PER_REQUEST', AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }], KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }] }).promise();
  await table.batchWrite({ RequestItems: { [TableName]: ['a', 'b', 'c'].map((id) => ({ PutRequest: { Item: { id, n: 1 } } })) } }).promise();
  const got = await table.batchGet({ RequestItems: { [TableName]: { Keys: [{ id: 'a' }, { id: 'c' }] } } }).promise();
  const add = (id) => ({ Update: { TableName, Key: { id }, UpdateExpression: 'ADD n :one', ExpressionAttributeValues: { ':one': 1 } } });
  await table.transactWrite({ TransactItems: [add('a'), add('b')] }).promise();
  const read = await table.transactGet({ TransactItems: ['a', 'b', 'c'].map((id) => ({ Get: { TableName, Key: { id } } })) }).promise();
  const stated = await client.executeStatement({ Statement: `SELECT n FROM "${TableName}" WHERE id IN ['a', 'c']` }).promise();
  const error = await client.executeStatement({ Statement: 'SLECT' }).promise().catch((error) => [error.code, error.message]);
  console.log(JSON.stringify({
    got: got.Responses[TableName].map((item) => item.id).sort(),
    read: read.Responses.map((each) => each.Item.n),
    stated: stated.Items.map((item) => item.n.N),
    error,
  }));
})();
