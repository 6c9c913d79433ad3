"""Sends to a standard and a FIFO queue from several threads until the server is gone, and writes down what was
acknowledged; or reads it all back: everything that was acknowledged and not deleted, each group in its order."""
import boto3, json, sys, threading
from botocore.config import Config

endpoint, ledger, task = sys.argv[1:4]
place = dict(endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id='anything', aws_secret_access_key='at-all',
             config=Config(retries={'max_attempts': 0}, connect_timeout=2, read_timeout=5))


def urls(sqs):
    return sqs.get_queue_url(QueueName='failed')['QueueUrl'], sqs.get_queue_url(QueueName='lines.fifo')['QueueUrl']


def load(worker, written):
    sqs = boto3.client('sqs', **place)
    plain, lines = urls(sqs)
    number = 0
    while True:
        body = f'{ledger_round}-{worker}-{number}'
        try:
            sqs.send_message(QueueUrl=plain, MessageBody=body)
            written.append(['sent', 'plain', body])
            sqs.send_message(QueueUrl=lines, MessageBody=body, MessageGroupId=f'{ledger_round}-{worker}')
            written.append(['sent', 'lines', body])
            if number % 3 == 0:
                for message in sqs.receive_message(QueueUrl=plain, VisibilityTimeout=1).get('Messages', []):
                    written.append(['deleting', 'plain', message['Body']])
                    sqs.delete_message(QueueUrl=plain, ReceiptHandle=message['ReceiptHandle'])
                    written.append(['deleted', 'plain', message['Body']])
        except Exception:
            return
        number += 1


def check():
    sqs = boto3.client('sqs', **place)
    plain, lines = urls(sqs)
    rows = [json.loads(line) for line in open(ledger)]
    of = lambda deed, queue: [body for did, where, body in rows if (did, where) == (deed, queue)]
    for name, queue in (('plain', plain), ('lines', lines)):
        found = []
        while True:
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2).get('Messages')
            if not answer:
                break
            for message in answer:
                found.append(message['Body'])
            entries = [{'Id': str(index), 'ReceiptHandle': message['ReceiptHandle']} for index, message in enumerate(answer)]
            sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        lost = set(of('sent', name)) - set(of('deleting', name)) - set(found)
        assert not lost, f'{name}: lost {sorted(lost)[:5]}'
        back = set(of('deleted', name)) & set(found)
        assert not back, f'{name}: came back {sorted(back)[:5]}'
        if name == 'lines':
            assert len(found) == len(set(found)), 'a message of the FIFO queue came twice'
            groups = {}
            for body in found:
                group, number = body.rsplit('-', 1)
                assert groups.get(group, -1) < int(number), f'{body} is out of order'
                groups[group] = int(number)
    open(ledger, 'w').close()


if task == 'check':
    check()
else:
    import time
    ledger_round = str(time.time_ns())
    kept = [[] for _ in range(4)]
    threads = [threading.Thread(target=load, args=(worker, kept[worker])) for worker in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with open(ledger, 'a') as out:
        for written in kept:
            for row in written:
                out.write(json.dumps(row) + '\n')
