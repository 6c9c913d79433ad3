// dynamodb-toolbox from outside: an entity on a single table, its queries and transactions.
import { DynamoDBClient, CreateTableCommand, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { Table } from 'dynamodb-toolbox/table';
import { QueryCommand } from 'dynamodb-toolbox/table/actions/query';
import { Entity } from 'dynamodb-toolbox/entity';
import { item } from 'dynamodb-toolbox/schema/item';
import { string } from 'dynamodb-toolbox/schema/string';
import { number } from 'dynamodb-toolbox/schema/number';
import { list } from 'dynamodb-toolbox/schema/list';
import { PutItemCommand } from 'dynamodb-toolbox/entity/actions/put';
import { GetItemCommand } from 'dynamodb-toolbox/entity/actions/get';
import { UpdateItemCommand, $add, $append } from 'dynamodb-toolbox/entity/actions/update';
import { DeleteItemCommand } from 'dynamodb-toolbox/entity/actions/delete';
import { PutTransaction } from 'dynamodb-toolbox/entity/actions/transactPut';
import { execute } from 'dynamodb-toolbox/entity/actions/transactWrite';

const client = new DynamoDBClient({});
await client.send(new CreateTableCommand({ TableName: 'toolbox', BillingMode: 'PAY_PER_REQUEST',
  AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }, { AttributeName: 'sk', AttributeType: 'S' }],
  KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }, { AttributeName: 'sk', KeyType: 'RANGE' }] }));
await waitUntilTableExists({ client, minDelay: 1, maxDelay: 1, maxWaitTime: 10 }, { TableName: 'toolbox' });
const table = new Table({ name: 'toolbox', documentClient: DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } }),
  partitionKey: { name: 'pk', type: 'string' }, sortKey: { name: 'sk', type: 'string' } });
const Pet = new Entity({ name: 'Pet', table, timestamps: false,
  schema: item({ owner: string().key().savedAs('pk'), name: string().key().savedAs('sk'), age: number().default(1), toys: list(string()).optional() }) });

for (const name of ['rex', 'tom', 'zoe']) await Pet.build(PutItemCommand).item({ owner: 'ann', name, toys: ['ball'] }).send();
const twice = await Pet.build(PutItemCommand).item({ owner: 'ann', name: 'rex' }).options({ condition: { attr: 'owner', exists: false } }).send().catch((error) => error.name);
const updated = await Pet.build(UpdateItemCommand).item({ owner: 'ann', name: 'rex', age: $add(2), toys: $append(['bone']) }).options({ returnValues: 'ALL_NEW' }).send();
const { Items } = await table.build(QueryCommand).entities(Pet).query({ partition: 'ann', range: { gte: 's' } }).options({ reverse: true }).send();
await execute(Pet.build(PutTransaction).item({ owner: 'bob', name: 'kim' }), Pet.build(PutTransaction).item({ owner: 'bob', name: 'lea', age: 7 }));
const { Item: lea } = await Pet.build(GetItemCommand).key({ owner: 'bob', name: 'lea' }).options({ consistent: true }).send();
await Pet.build(DeleteItemCommand).key({ owner: 'bob', name: 'lea' }).send();
const { Item: gone } = await Pet.build(GetItemCommand).key({ owner: 'bob', name: 'lea' }).send();
console.log(JSON.stringify({ twice, updated: [updated.Attributes.age, updated.Attributes.toys], found: Items.map((pet) => pet.name), lea: lea.age, gone: gone === undefined }));
