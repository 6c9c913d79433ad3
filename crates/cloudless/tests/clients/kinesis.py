# boto3 from outside: records for a function with a filter, a shard that is split meanwhile, a rule that sends to the stream.
import boto3, json, sys, time
place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
client = boto3.client('kinesis', **place)
table = boto3.client('dynamodb', **place)
queue = boto3.client('sqs', **place)
events = boto3.client('events', **place)


def data(name, kind='order'):
    return json.dumps({'id': name, 'kind': kind}).encode()


def refused(call, **members):
    try:
        call(**members)
    except Exception as error:
        return [error.response['Error']['Code'], error.response['Error']['Message']]


def eventually(probe):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = probe()
        if found:
            return found
        time.sleep(0.05)


def items():
    return {item['id']['S']: json.loads(item['record']['S']) for item in table.scan(TableName='seen')['Items']}


records = [{'Data': data('first'), 'PartitionKey': 'k'}, {'Data': data('other', 'visit'), 'PartitionKey': 'k'},
    {'Data': b'no json', 'PartitionKey': 'k'}, {'Data': data('bad'), 'PartitionKey': 'k'}, {'Data': data('second'), 'PartitionKey': 'k'}]
put = client.put_records(StreamName='clicks', Records=records)
half = str(2 ** 127)
client.split_shard(StreamName='clicks', ShardToSplit='shardId-000000000000', NewStartingHashKey=half)
client.put_record(StreamName='clicks', Data=data('after'), PartitionKey='k')
events.put_events(Entries=[{'Source': 'shop', 'DetailType': 't', 'Detail': data('ruled').decode()}])
eventually(lambda: len(items()) == 4)
url = queue.get_queue_url(QueueName='letters')['QueueUrl']
letter = eventually(lambda: queue.receive_message(QueueUrl=url, WaitTimeSeconds=1).get('Messages'))
letter = json.loads(letter[0]['Body'])
info = letter['KinesisBatchInfo']
record = items()['first']
inner = record['kinesis']
shown = {name: record[name] for name in ('eventName', 'eventSource', 'eventVersion', 'awsRegion', 'eventSourceARN')}
shown.update(role=record['invokeIdentityArn'].split('/')[0] + '/', id=record['eventID'] == f"shardId-000000000000:{inner['sequenceNumber']}",
    schema=inner['kinesisSchemaVersion'], partition=inner['partitionKey'])
open_shards = client.list_shards(StreamName='clicks', ShardFilter={'Type': 'AT_LATEST'})['Shards']
print(json.dumps({
    'failed': put['FailedRecordCount'],
    'seen': sorted(items()),
    'record': shown,
    'letter': [letter['requestContext']['condition'], info['batchSize'], info['shardId'], info['streamArn']],
    'shards': [shard['ShardId'] for shard in open_shards],
    'missing': refused(client.describe_stream, StreamName='none'),
    'refused': refused(client.update_max_record_size, StreamARN=info['streamArn'], MaxRecordSizeInKiB=2048),
}))
