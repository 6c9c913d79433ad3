import boto3, json, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.request import urlopen
from botocore.exceptions import ClientError

place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
sns, sqs = boto3.client('sns', **place), boto3.client('sqs', **place)
received = []


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        received.append((self.headers['x-amz-sns-message-type'], body))
        # The first notification is to come again.
        failing = len([kind for kind, _ in received if kind == 'Notification']) == 1
        self.send_response(503 if failing else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


def await_received(count):
    end = time.monotonic() + 15
    while len(received) < count and time.monotonic() < end:
        time.sleep(0.02)
    return received[count - 1]


def messages(queue, count):
    found = []
    end = time.monotonic() + 15
    while len(found) < count and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2, MessageAttributeNames=['All'])
        for message in answer.get('Messages', []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message['ReceiptHandle'])
            found.append(message)
    return found


def failed(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [type(error).__name__, error.response['Error']['Message']]
    return ['nothing', '']


topic = [one['TopicArn'] for one in sns.list_topics()['Topics'] if 'Orders' in one['TopicArn']][0]
urls = sqs.list_queues()['QueueUrls']
parcels = [url for url in urls if 'Parcels' in url][0]
seen = {}
for kind in ['letter', 'big-parcel']:
    sns.publish(TopicArn=topic, Message=kind, MessageAttributes={'kind': {'DataType': 'String', 'StringValue': kind}})
seen['filtered'] = [[m['Body'], m['MessageAttributes']['kind']['StringValue']] for m in messages(parcels, 1)]

server = HTTPServer(('127.0.0.1', 0), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
hook = sns.subscribe(TopicArn=topic, Protocol='http', Endpoint=f'http://127.0.0.1:{server.server_port}/', ReturnSubscriptionArn=True,
                     Attributes={'DeliveryPolicy': json.dumps({'healthyRetryPolicy': {'minDelayTarget': 1, 'maxDelayTarget': 1, 'numRetries': 2}})})['SubscriptionArn']
kind, body = await_received(1)
with urlopen(json.loads(body)['SubscribeURL']) as answer:
    seen['confirmed'] = [kind, hook in answer.read().decode()]
sns.publish(TopicArn=topic, Message='hello', Subject='s')
kind, body = await_received(3)
notification = json.loads(body)
seen['notified'] = [kind, notification['Message'], notification['Subject'], received[1][1] == body]
with urlopen(notification['SigningCertURL']) as answer:
    seen['certificate'] = answer.read().decode().startswith('-----BEGIN CERTIFICATE-----')
with urlopen(notification['UnsubscribeURL']) as answer:
    answer.read()
seen['left'] = [await_received(4)[0], hook in json.dumps(sns.list_subscriptions_by_topic(TopicArn=topic))]

fifo = sns.create_topic(Name='order.fifo', Attributes={'FifoTopic': 'true', 'ContentBasedDeduplication': 'true'})['TopicArn']
queue = sqs.create_queue(QueueName='order.fifo', Attributes={'FifoQueue': 'true'})['QueueUrl']
arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
allowed = {'Statement': [{'Effect': 'Allow', 'Principal': {'Service': 'sns.amazonaws.com'}, 'Action': 'sqs:SendMessage', 'Resource': arn}]}
sqs.set_queue_attributes(QueueUrl=queue, Attributes={'Policy': json.dumps(allowed)})
sns.subscribe(TopicArn=fifo, Protocol='sqs', Endpoint=arn, Attributes={'RawMessageDelivery': 'true'})
entries = [{'Id': str(number), 'Message': str(number % 5), 'MessageGroupId': 'g'} for number in range(10)]
seen['batch'] = len(sns.publish_batch(TopicArn=fifo, PublishBatchRequestEntries=entries)['Successful'])
seen['ordered'] = [m['Body'] for m in messages(queue, 5)]
seen['missing'] = failed(sns.publish, TopicArn=topic + 'x', Message='m')
seen['policy'] = failed(sns.subscribe, TopicArn=topic, Protocol='sqs', Endpoint=arn[:-5], Attributes={'FilterPolicy': '{"a": {"b": ["c"]}}'})
print(json.dumps(seen))
