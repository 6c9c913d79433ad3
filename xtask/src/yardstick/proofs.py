"""Proofs of the visible list that are written in freer words, each said exactly.

Lives here: one function a row, which does what the row's proof says, in its order; `PROOFS` says whose it is.
Does not live here: rows whose steps are in the short forms (`steps`), what a step does (`application`).
"""
import base64
import gzip
import json
import os
import time

from application import ACCOUNT

PROOFS = {}


def proof(repo, path):
    def note(function):
        PROOFS[repo, path] = function
        return function
    return note


PATTERNS = 'aws-samples/serverless-patterns'
EXAMPLES = 'serverless/examples'
SAMPLES = 'aws-samples/serverless-test-samples'


@proof(PATTERNS, 'apigw-http-api-sqs-lambda-sls')
def http_api_to_queue(app):
    reply = app.http('POST', '/', {'a': 1})
    app.check('POST / -> 200 with a MessageId', reply.status == 200 and 'MessageId' in reply.text, reply)
    app.logs('logEvent', '{"a":1}' if '{"a":1}' in '\n'.join(app.lines('logEvent')) else '"a"')


@proof(PATTERNS, 'apigw-sns-filter-policy-lambda-sls-py')
def filter_policy(app):
    # The row has the path of the proxy; a method of the same name among the application's resources moves it to this one.
    reply = app.http('POST', '/dev/notify-status', {'id': 1, 'status': 'foo'})
    app.check('POST /dev/notify-status -> 200 accepted', reply.status == 200 and reply.json == {'message': 'accepted'}, reply)
    app.logs('process-foo-status', 'Foo message')
    app.check('process-bar-status is not called', not app.lines('process-bar-status'), app.lines('process-bar-status'))


@proof(PATTERNS, 'eventbridge-sqs-sls')
def bus_to_queue(app):
    put = lambda source: app.sdk('events').put_events(Entries=[
        {'Source': source, 'DetailType': 't', 'Detail': '{"a":1}'}])
    put('demo.sqs')
    bodies = [json.loads(body) for body in app.receive('MySqsQueue')]
    app.check('the event of demo.sqs arrives', len(bodies) == 1 and bodies[0]['detail'] == {'a': 1}
              and bodies[0]['source'] == 'demo.sqs', bodies)
    put('other')
    bodies = app.receive('MySqsQueue', within=3)
    app.check('one of another source does not', not bodies, bodies)


@proof(PATTERNS, 'lambda-function-url-sls')
def function_url(app):
    url = app.function_url('url')
    reply = app.http('GET', url)
    app.check('GET -> hello', reply.status == 200 and 'hello from a lambda function url' in reply.text, reply)
    reply = app.http('POST', url, {'a': 1})
    app.check('POST -> added', reply.status == 200 and reply.json == {'output': 'added', 'a': 1}, reply)
    app.check('PUT -> 400', app.http('PUT', url, {}).status == 400)


@proof(PATTERNS, 'lambda-ssm-sls')
def parameter(app):
    read = lambda: app.http('GET', '/')
    app.check('GET / -> test', read().status == 200 and 'test' in read().text, read())
    reply = app.http('PUT', '/', 'new', {'Content-Type': 'text/plain'})
    app.check('PUT / -> 2xx', 200 <= reply.status < 300, reply)
    app.check('GET / -> new', 'new' in read().text, read())
    value = app.sdk('ssm').get_parameter(Name='LambdaSsmSls')['Parameter']['Value']
    app.check('get-parameter -> new', value == 'new', value)


@proof(EXAMPLES, 'aws-node-env-variables')
def environment(app):
    value, error = app.invoke('createUser')
    app.check('createUser -> 200', not error and value['statusCode'] == 200
              and json.loads(value['body'])['message'] == 'User created', value)
    app.logs('createUser', 'PASSWORD_ITERATIONS:  4096', 'KEYEXAMPLE1234')
    value, error = app.invoke('resetPassword')
    app.check('resetPassword -> 200', not error and value['statusCode'] == 200, value)
    # The row expects the function to print it as undefined; the application does not print it.
    own = app.sdk('lambda').get_function_configuration(FunctionName=app.function('resetPassword'))
    app.check('resetPassword has no PASSWORD_ITERATIONS', 'PASSWORD_ITERATIONS' not in own['Environment']['Variables'], own)


@proof(EXAMPLES, 'aws-node-graphql-api-with-dynamodb')
def graphql(app):
    from urllib.parse import quote
    ask = lambda text: app.http('GET', '/dev/query?query=' + quote(text))
    greeting = '{greeting(firstName:"A")}'
    reply = ask(greeting)
    app.check('the greeting', reply.json and reply.json.get('data', {}).get('greeting') == 'Hello, A.', reply)
    reply = ask('mutation{changeNickname(firstName:"A",nickname:"B")}')
    app.check('the nickname changes', reply.status == 200, reply)
    reply = ask(greeting)
    app.check('the greeting has it', reply.json and reply.json.get('data', {}).get('greeting') == 'Hello, B.', reply)


@proof(EXAMPLES, 'aws-node-s3-file-replicator')
def replicator(app):
    s3, source, target = app.sdk('s3'), app.bucket('inputBucket'), app.bucket('outputBucket')
    s3.put_object(Bucket=source, Key='a.txt', Body=b'x')
    app.eventually('the other bucket has a.txt', lambda: s3.get_object(Bucket=target, Key='a.txt')['Body'].read() == b'x', 10)


@proof(EXAMPLES, 'aws-node-signed-uploads')
def signed_uploads(app):
    reply = app.http('GET', '/dev/upload', headers={'x-amz-meta-filekey': 'a.txt'})
    url = reply.json.get('signedUrl') or reply.json.get('url') if isinstance(reply.json, dict) else reply.json
    app.check('GET /dev/upload -> a signed URL', reply.status == 200 and str(url).startswith('http'), reply)
    put = app.http('PUT', url, 'hello', {'Content-Type': ''})
    app.check('PUT -> 200', put.status == 200, put)
    body = app.sdk('s3').get_object(Bucket='testbucket123notaken', Key='a.txt')['Body'].read()
    app.check('the object is there', body == b'hello', body)
    app.check('without the header -> 400', app.http('GET', '/dev/upload').status == 400)


@proof(EXAMPLES, 'aws-node-typescript-sqs-standard')
def standard_queue(app):
    reply = app.http('POST', '/dev/sender', {'a': 1})
    app.check('POST /dev/sender -> 200', reply.status == 200 and reply.json
              and reply.json.get('message') == 'Message placed in the Queue!', reply)
    app.eventually('receiver has it', lambda: [line for line in app.lines('receiver') if '"a"' in line and '1' in line])


@proof(EXAMPLES, 'aws-python-pynamodb-s3-sigurl')
def signed_assets(app):
    made = app.http('POST', '/test/asset')
    app.check('POST /test/asset -> statusCode 201', made.json and made.json.get('statusCode') == 201, made)
    inner = made.json['body']
    app.check('it is PUT', app.http('PUT', inner['upload_url'], 'data', {'Content-Type': ''}).status == 200)
    app.logs('bucket', 'ObjectCreated')
    path = f"/test/asset/{inner['id']}"
    app.http('PUT', path, {'state': 'UPLOADED'})
    got = app.http('GET', path + '?timeout=60')
    url = got.json['body']['download_url']
    app.check('it reads back', app.http('GET', url).text == 'data')


@proof('aws-samples/serverless-lifo-queue-demonstration', '.')
def last_in_first_out(app):
    app.invoke('CreateTasksFunction')
    app.logs('ProcessTasks', 'TASK_RUN_START', within=60)
    app.eventually('tasks are no longer PENDING', lambda: [
        item for item in app.items('QueueTable') if item['taskStatus']['S'] != 'PENDING'], 90)


@proof(PATTERNS, 'apigw-http-api-fifo-sqs-lambda-sns-sam')
def fifo_to_topic(app):
    app.tap('ServerlessLandSNSTopic')
    message = {'messagegroup': 'g1', 'a': 1}
    reply = app.http('POST', '/prod', message)
    app.check('POST /prod -> 200', reply.status == 200, reply)
    bodies = [json.loads(body) for body in app.receive('tap')]
    app.check('tap receives it', [one for one in bodies if one.get('Subject') == 'SQS Event Notification'
              and json.loads(one['Message']) == message], bodies)


@proof(PATTERNS, 'cloudwatch-logs-subscription-lambda-sam')
def subscription(app):
    app.invoke('LogsGeneratorFunction', {'hello': 'log'})

    def has_it():
        text = '\n'.join(app.lines('LogsSubscriberFunction'))
        for word in text.replace('"', ' ').replace("'", ' ').split():
            try:
                text += gzip.decompress(base64.b64decode(word)).decode()
            except (ValueError, OSError):
                continue
        return 'logEvents' in text and 'hello' in text
    app.eventually('LogsSubscriberFunction has the log', has_it)


@proof(PATTERNS, 'dynamodb-eventbridge')
def stream_to_bus(app):
    table, tables = app.table('MyDynamoStream'), app.sdk('dynamodb')
    key = {'name': {'S': 'a'}}
    tables.put_item(TableName=table, Item=key)
    app.logs('SubscribeInsertFunction', 'INSERT')
    seen = len(app.lines('SubscribeInsertFunction'))
    tables.delete_item(TableName=table, Key=key)
    app.logs('SubscribeRemoveFunction', 'REMOVE')
    time.sleep(2)
    app.check('SubscribeInsertFunction is not called again', len(app.lines('SubscribeInsertFunction')) == seen)


@proof(PATTERNS, 'lambda-esm-sqs-filters-sam')
def filters(app):
    sqs = app.sdk('sqs')
    with open(os.path.join(app.folder, 'events', 'testMessage.json'), encoding='utf-8') as file:
        message = json.load(file)
    names = ['Prefix', 'AnythingBut', 'IP', 'And', 'Or']
    queues = {name: app.queue('EsmSqsFilterQueue' + name) for name in names}
    runs = lambda name: sum(1 for line in app.lines(f'FilterFunction{name}-') if line.startswith('REPORT'))
    for name in names:
        sqs.send_message(QueueUrl=queues[name], MessageBody=json.dumps(message))
    for name in names:
        app.eventually(f'the function of {name} runs', lambda: runs(name))
    before = {name: runs(name) for name in names}

    def changed(value, key, new):
        if isinstance(value, dict):
            return {one: new if one == key else changed(inner, key, new) for one, inner in value.items()}
        return [changed(inner, key, new) for inner in value] if isinstance(value, list) else value
    others = {'AnythingBut': ('state', 'GA'), 'IP': ('sourceIPAddress', '10.0.1.1'), 'Prefix': ('region', 'eu-west-1')}
    for name, (key, new) in others.items():
        sqs.send_message(QueueUrl=queues[name], MessageBody=json.dumps(changed(message, key, new)))

    def gone(name):
        counts = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=['All'])['Attributes']
        return counts['ApproximateNumberOfMessages'] == counts['ApproximateNumberOfMessagesNotVisible'] == '0'
    for name in others:
        app.eventually(f'the other message of {name} is gone', lambda: gone(name))
        app.check(f'the function of {name} is not called', runs(name) == before[name])


@proof(PATTERNS, 'lambda-layer')
def layer(app):
    value, error = app.invoke('PyMySQLLayerLambdaFunction')
    app.check('with the layer -> true', not error and value in (True, 'true'), value)
    value, error = app.invoke('PyMySQLNoLayerLambdaFunction')
    app.check('without it an error', error and "No module named 'pymysql'" in json.dumps(value), value)


@proof(PATTERNS, 'lambda-streaming-ttfb-write-sam')
def streaming(app):
    url = app.function_url('StreamingFunction')
    reply = app.http('GET', url, signed_for='lambda')
    app.check('signed GET -> 200', reply.status == 200 and '<p>First write2!</p>' in reply.text
              and reply.headers.get('X-Custom-Header') == 'Example-Custom-Header'
              and 'text/html' in reply.headers.get('Content-Type', ''), reply)
    app.check('unsigned GET -> 403', app.http('GET', url).status == 403)


@proof(PATTERNS, 'lambda-version-alias')
def alias(app):
    value, error = app.invoke('lambdaFunctionAlias', qualifier='dev')
    app.check('INVOKE dev -> version 1', not error and json.loads(value['body'])['message'] == 'Hello from Lambda! version 1', value)
    name, functions = app.function('lambdaFunctionAlias'), app.sdk('lambda')
    versions = [one['Version'] for one in functions.list_versions_by_function(FunctionName=name)['Versions']]
    app.check('versions are $LATEST and 1', versions == ['$LATEST', '1'], versions)
    version = functions.get_alias(FunctionName=name, Name='dev')['FunctionVersion']
    app.check('dev is 1', version == '1', version)


@proof(PATTERNS, 'serverless-multi-tenant-api')
def tenants(app):
    value, tables = app.api_key('TestApiKey'), app.sdk('dynamodb')
    tables.put_item(TableName=app.table('ConfigTable'), Item={'PK': {'S': f'K#{value}'}, 'TENANT_ID': {'S': 't1'}})
    headers = {'x-api-key': value}
    reply = app.http('POST', '/Prod/', {'id': '1', 'name': 'n'}, headers)
    app.check('POST -> 200', reply.status == 200, reply)
    reply = app.http('GET', '/Prod/1', headers=headers)
    app.check('GET -> n', reply.status == 200 and (reply.json or {}).get('name') == 'n', reply)
    app.check('without key -> 403', app.http('GET', '/Prod/1').status == 403)
    found = [name for name in app.all('dynamodb', 'list_tables', 'TableNames')
             for item in tables.scan(TableName=name)['Items'] if item.get('PK', {}).get('S') == 'T#t1#1']
    app.check("the item's PK is T#t1#1", found)


@proof(SAMPLES, 'python-test-samples/apigw-sqs-lambda-sqs')
def queue_to_queue(app):
    reply = app.http('POST', '/Prod/inbox', {'a': 1})
    app.check('POST /Prod/inbox -> 200 with a MessageId', reply.status == 200 and 'MessageId' in reply.text, reply)

    def arrived():
        texts = [json.dumps(item) for name in app.all('dynamodb', 'list_tables', 'TableNames') for item in app.items(name)]
        texts += app.receive('OutputQueue', wait=False)
        return [text for text in texts if 'a' in text and 'data' in text]
    app.eventually('the result is there', arrived)
    app.http('POST', '/Prod/inbox', {'a': 'MALFORMED_MASSAGE'})
    bodies = app.receive('InputQueueDLQ', within=30)
    app.check('the dead letters have it', any('MALFORMED_MASSAGE' in body for body in bodies), bodies)


@proof(SAMPLES, 'python-test-samples/async-lambda-dynamodb')
def upper_case(app):
    s3 = app.sdk('s3')
    s3.put_object(Bucket=f'async-source-t1-{ACCOUNT}', Key='a.txt', Body=b'abc')
    app.eventually('the other bucket has ABC', lambda: s3.get_object(
        Bucket=f'async-destination-t1-{ACCOUNT}', Key='a.txt')['Body'].read() == b'ABC')
    app.eventually('the table has an item', lambda: app.items(f'async-results-t1-{ACCOUNT}'))


@proof(PATTERNS, 'eventbridge-kinesis')
def bus_to_stream(app):
    streams = app.sdk('kinesis')
    put = lambda source: app.sdk('events').put_events(Entries=[
        {'EventBusName': 'test-bus', 'Source': source, 'DetailType': 't', 'Detail': '{"a":1}'}])

    def records():
        shard = streams.list_shards(StreamName='test-stream')['Shards'][0]['ShardId']
        iterator = streams.get_shard_iterator(StreamName='test-stream', ShardId=shard, ShardIteratorType='TRIM_HORIZON')
        return [json.loads(one['Data']) for one in streams.get_records(ShardIterator=iterator['ShardIterator'])['Records']]
    put('my-application')
    seen = app.eventually('a record arrives', records)
    app.check('it is the event', len(seen) == 1 and seen[0]['detail'] == {'a': 1}, seen)
    put('other')
    time.sleep(2)
    app.check('one of another source does not', len(records()) == 1)


@proof('awsdocs/aws-lambda-developer-guide', 'templates')
def account_settings(app):
    value, error = app.invoke('function')
    app.check('INVOKE -> AccountLimit and AccountUsage', not error and {'AccountLimit', 'AccountUsage'} <= set(value), value)
    app.logs('function', 'Scheduled Event', within=140)
