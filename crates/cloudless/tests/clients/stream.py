import boto3, json, sys, time
place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
client = boto3.client('lambda', **place)


def read(function, payload):
    answer = client.invoke_with_response_stream(FunctionName=function, Payload=json.dumps(payload), LogType='Tail')
    chunks, times, end = [], [], None
    for event in answer['EventStream']:
        times.append(time.monotonic())
        if 'PayloadChunk' in event:
            chunks.append(event['PayloadChunk']['Payload'].decode())
        else:
            end = event['InvokeComplete']
    return {
        'chunks': chunks,
        'apart': times[-1] - times[0] > 0.3,
        'error': end.get('ErrorCode'),
        'details': json.loads(end['ErrorDetails'])['errorMessage'] if 'ErrorDetails' in end else None,
        'logged': 'LogResult' in end,
        'version': answer['ExecutedVersion'],
    }


def refused(function):
    try:
        read(function, {})
    except Exception as error:
        return type(error).__name__


print(json.dumps([read('clients-dev-stream', {}), read('clients-dev-stream', {'fails': True}),
    read('clients-dev-greet', {'name': 'Ada'}), read('clients-dev-fail', {}), refused('nobody')]))
