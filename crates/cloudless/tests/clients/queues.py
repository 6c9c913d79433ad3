import boto3, json, sys, threading, time
from botocore.exceptions import ClientError

place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
sqs = boto3.client('sqs', **place)


def refused(run):
    try:
        run()
    except ClientError as error:
        return [error.response['Error']['Code'], error.response['Error']['Message']]


def drained(queue, **asked):
    found = []
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, **asked).get('Messages')
        if not answer:
            return found
        for message in answer:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message['ReceiptHandle'])
            found.append(message)


jobs = sqs.get_queue_url(QueueName='jobs')['QueueUrl']
failed = sqs.get_queue_url(QueueName='failed')['QueueUrl']
lines = sqs.get_queue_url(QueueName='lines.fifo')['QueueUrl']

# A whole mebibyte, with an attribute whose digest boto3 checks.
size = 1024 * 1024 - len('kindStringlong')
sqs.send_message(QueueUrl=jobs, MessageBody='x' * size, MessageAttributes={'kind': {'DataType': 'String', 'StringValue': 'long'}})
too_long = refused(lambda: sqs.send_message(QueueUrl=jobs, MessageBody='x' * (1024 * 1024 + 1)))
long = drained(jobs, MessageAttributeNames=['All'])[0]

# Whoever waits is woken.
threading.Timer(0.3, lambda: sqs.send_message(QueueUrl=jobs, MessageBody='late')).start()
began = time.monotonic()
late = sqs.receive_message(QueueUrl=jobs, WaitTimeSeconds=20)['Messages'][0]
woken = time.monotonic() - began < 5
sqs.delete_message(QueueUrl=jobs, ReceiptHandle=late['ReceiptHandle'])

# Poison goes to the dead letters after two receives, and comes back.
sqs.send_message(QueueUrl=jobs, MessageBody='poison')
receives = [len(sqs.receive_message(QueueUrl=jobs, VisibilityTimeout=0).get('Messages', [])) for _ in range(3)]
arn = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
dead = sqs.get_queue_attributes(QueueUrl=failed, AttributeNames=['ApproximateNumberOfMessages'])['Attributes']
sqs.start_message_move_task(SourceArn=arn)
back = sqs.receive_message(QueueUrl=jobs, WaitTimeSeconds=10, MessageSystemAttributeNames=['All'])['Messages'][0]

batch = sqs.send_message_batch(QueueUrl=jobs, Entries=[{'Id': 'good', 'MessageBody': 'm'}, {'Id': 'bad', 'MessageBody': '\x01'}])

for number in range(6):
    sqs.send_message(QueueUrl=lines, MessageBody=str(number), MessageGroupId=str(number % 2))
sqs.send_message(QueueUrl=lines, MessageBody='0', MessageGroupId='0')
first = sqs.receive_message(QueueUrl=lines, MaxNumberOfMessages=2)['Messages']
blocked = [message['Body'] for message in sqs.receive_message(QueueUrl=lines, MaxNumberOfMessages=10)['Messages']]
for message in first:
    sqs.delete_message(QueueUrl=lines, ReceiptHandle=message['ReceiptHandle'])
ordered = [message['Body'] for message in first] + [message['Body'] for message in drained(lines)]

missing = refused(lambda: sqs.get_queue_url(QueueName='nothing'))
try:
    sqs.get_queue_url(QueueName='nothing')
except sqs.exceptions.QueueDoesNotExist:
    known = True
policy = json.loads(sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=['Policy'])['Attributes']['Policy'])
print(json.dumps({
    'long': [len(long['Body']), long['MessageAttributes']['kind']['StringValue']], 'tooLong': too_long, 'woken': woken,
    'receives': receives, 'dead': dead, 'back': [back['Body'], back['Attributes']['ApproximateReceiveCount']],
    'batch': [batch['Successful'][0]['Id'], batch['Failed'][0]['Code']], 'blocked': blocked, 'ordered': ordered,
    'missing': missing, 'known': known, 'policy': policy['Statement'][0]['Action'],
}))
