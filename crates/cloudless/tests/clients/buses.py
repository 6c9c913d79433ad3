import boto3, json, sys, threading, time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from botocore.exceptions import ClientError

place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
events, scheduler, sqs = (boto3.client(name, **place) for name in ['events', 'scheduler', 'sqs'])
parcels = [url for url in sqs.list_queues()['QueueUrls'] if 'Parcels' in url][0]
received = []


class Hook(BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        received.append((self.path, self.headers['X-Key'], json.loads(body)))
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


def bodies(count):
    found = []
    end = time.monotonic() + 15
    while len(found) < count and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=parcels, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        for message in answer.get('Messages', []):
            sqs.delete_message(QueueUrl=parcels, ReceiptHandle=message['ReceiptHandle'])
            found.append(json.loads(message['Body']))
    return found


def failed(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return [error.response['Error']['Code'], error.response['Error']['Message']]
    return ['nothing', '']


def put(source, detail, **more):
    entry = dict(Source=source, DetailType='order', Detail=json.dumps(detail), **more)
    return events.put_events(Entries=[entry])['FailedEntryCount']


seen = {'small': put('shop', {'total': 1}, EventBusName='orders'), 'large': put('shop', {'total': 150}, EventBusName='orders')}
seen['transformed'] = bodies(1)

server = HTTPServer(('127.0.0.1', 0), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
connection = events.create_connection(Name='c', AuthorizationType='API_KEY',
                                      AuthParameters={'ApiKeyAuthParameters': {'ApiKeyName': 'X-Key', 'ApiKeyValue': 'k'}})
destination = events.create_api_destination(Name='d', ConnectionArn=connection['ConnectionArn'], HttpMethod='PUT',
                                            InvocationEndpoint=f'http://127.0.0.1:{server.server_port}/hook/*')
events.put_rule(Name='hooked', EventPattern=json.dumps({'source': [{'prefix': 'ho'}]}))
events.put_targets(Rule='hooked', Targets=[{'Id': '1', 'Arn': destination['ApiDestinationArn'], 'InputPath': '$.detail',
                                            'HttpParameters': {'PathParameterValues': ['x']}}])
put('hook', {'n': 1})
end = time.monotonic() + 15
while not received and time.monotonic() < end:
    time.sleep(0.02)
seen['hooked'] = received[0]

now = datetime.now(timezone.utc)
role = [one['Arn'] for one in boto3.client('iam', **place).list_roles()['Roles'] if 'Clock' in one['RoleName']][0]
queue = sqs.get_queue_attributes(QueueUrl=parcels, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
scheduler.create_schedule(Name='once', ScheduleExpression='rate(1 day)', ScheduleExpressionTimezone='Europe/Berlin',
                          FlexibleTimeWindow={'Mode': 'OFF'}, Target={'Arn': queue, 'RoleArn': role, 'Input': '{"by": "<aws.scheduler.schedule-arn>"}'})
seen['scheduled'] = bodies(1)
there = scheduler.get_schedule(Name='once')
seen['schedule'] = [there['ScheduleExpressionTimezone'], there['State'], (there['CreationDate'] - now).total_seconds() < 60]
seen['pattern'] = failed(events.put_rule, Name='x', EventPattern='{"a": []}')[0]
seen['expression'] = failed(scheduler.create_schedule, Name='x', ScheduleExpression='rate(5)', FlexibleTimeWindow={'Mode': 'OFF'},
                            Target={'Arn': queue, 'RoleArn': role})
seen['rules'] = len(events.get_paginator('list_rules').paginate(PaginationConfig={'PageSize': 1}).build_full_result()['Rules'])
print(json.dumps(seen))
