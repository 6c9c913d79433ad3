import boto3, journey as steps

def journey(event, context):
    return steps.run(boto3.client('dynamodb'), boto3.resource('dynamodb'), 'python-inside')
