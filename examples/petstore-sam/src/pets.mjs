import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, PutCommand, ScanCommand } from '@aws-sdk/lib-dynamodb';

const documents = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const TableName = process.env.PETS_TABLE;

const reply = (statusCode, body) => ({
  statusCode,
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});

export const handler = async (event) => {
  const id = event.pathParameters?.id;
  if (event.httpMethod === 'PUT') {
    const pet = { ...JSON.parse(event.body), id };
    await documents.send(new PutCommand({ TableName, Item: pet }));
    return reply(200, pet);
  }
  if (id === undefined) {
    const { Items } = await documents.send(new ScanCommand({ TableName }));
    return reply(200, { pets: Items });
  }
  const { Item } = await documents.send(new GetCommand({ TableName, Key: { id } }));
  return Item ? reply(200, Item) : reply(404, { error: 'no such pet' });
};
