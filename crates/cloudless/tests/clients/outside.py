import boto3, json, sys, journey
place = dict(endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all')
print(json.dumps(journey.run(boto3.client('dynamodb', **place), boto3.resource('dynamodb', **place), 'python-outside')))
