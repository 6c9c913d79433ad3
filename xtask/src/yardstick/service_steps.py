"""Steps of a proof that are about cloud services: what is done with an SDK, and what must then be seen.

Lives here: the short forms of `SDK …`, `tap …`, `TICK …`, and of tables, buckets, queues and functions that are looked at.
Does not live here: requests and what is expected of replies (`steps`).
"""
import json
import os
import re
import time

from application import ACCOUNT, CannotRun

NAME = r'([\w.:/<>-]+)'
JSON = r'(\{.*\}|\[.*\])'


class ServiceSteps:
    """What a runner of steps can do besides requests; it says itself whether it has understood."""

    def __init__(self, app):
        self.app, self.queue, self.event, self.table_used, self.written = app, None, {}, None, set()
        self.forms = [
            (r'^(?:SDK )?(?:events )?put-events\b(.*)$', self.put_events),
            (r'^(?:SDK )?(?:sqs )?send-message (?:twice )?(.*?)\s*(?:to|on) ' + NAME + '$', self.send_message),
            (r'^(?:SDK )?(?:sqs )?receive-message (?:on|from) ' + NAME + r'(?:: (.*))?$', self.receive_message),
            (r'^(?:SDK )?(?:sns )?publish (.*?)\s*(?:to|on) ' + NAME + '$', self.publish),
            (r'^(?:SDK )?(?:s3 )?put-object ' + NAME + r'(?: "(.*)")? (?:into|to|in) (?:the )?' + NAME + r'(?: bucket)?$', self.put_object),
            (r'^(?:SDK )?(?:s3 )?get-object ' + NAME + r'(?: is| ==)? "(.*)"$', self.object_is),
            (r'^' + NAME + r' == "(.*)"$', self.object_is),
            (r'^(?:the )?(?:bucket )?' + NAME + r' has ' + NAME + r' with "(.*)"$', self.bucket_has),
            (r'^(?:SDK )?(?:dynamodb )?put-item (?:to |into )?' + NAME + ' ' + JSON + '$', self.put_item),
            (r'^(?:put|an item) (?:into|in|to) ' + NAME + ' ' + JSON + '$', self.put_item),
            (r'^(?:SDK )?(?:dynamodb )?delete-item(?: .*)?$', self.delete_item),
            (r'^(?:SDK )?(?:dynamodb )?scan ' + NAME + r'(?: .*)?$', self.table_has),
            (r'^(?:the )?(?:table )?' + NAME + r' (?:has|gets) (?:an|one) item(?:s)?(?: .*)?$', self.table_has),
            (r'^(?:SDK )?(?:ssm )?get-parameter ' + NAME + r'(?: "(.*)")?$', self.parameter_is),
            (r'^(?:SDK )?(?:secretsmanager )?get-secret-value ' + NAME + r'(?: "(.*)")?$', self.secret_is),
            (r'^(?:queue )?' + NAME + r' (?:gets|receives) (?:it|' + JSON + r'|"(.*)")$', self.queue_gets),
            (r'^nothing arrives(?: .*)?$', self.nothing_arrives),
            (r'^' + NAME + r' is not called(?: again)?(?: .*)?$', self.not_called),
            (r'^(?:SDK )?(?:lambda )?list-versions-by-function (.*)$', self.versions_are),
            (r'^(?:SDK )?(?:lambda )?get-alias ' + NAME + r' FunctionVersion (\S+)$', self.alias_is),
            (r'^TICK ' + NAME + r'(?: \(?rate\((\d+) (\w+?)s?\)\)?)?$', self.tick),
        ]

    def prepare(self, text):
        """`PREP … tap …`: a queue of the tester's that hears a topic."""
        found = re.search(r'tap\b.*subscribed? (?:it )?to ' + NAME, text)
        if found:
            self.app.tap(found.group(1))

    def take(self, text):
        """Whether the step is one of these; it has been carried out then."""
        for form, act in self.forms:
            found = re.match(form, text)
            if found:
                act(*found.groups())
                return True
        return False

    def name(self, text):
        return text.replace('<account>', ACCOUNT)

    # What is done.
    def put_events(self, words):
        for key in ('EventBusName', 'Source', 'DetailType'):
            found = re.search(rf'\b{key} "?([\w./-]+)"?', words)
            if found:
                self.event[key] = found.group(1)
        detail = re.search(r'\bDetail ' + JSON, words)
        if detail:
            self.event['Detail'] = detail.group(1)
        entry = {'DetailType': 't', 'Detail': '{}', **self.event}
        if 'Source' not in entry:
            raise CannotRun('an event to put names no source')
        self.note()
        reply = self.app.sdk('events').put_events(Entries=[entry])
        self.app.check('put-events succeeds', reply['FailedEntryCount'] == 0, reply)

    def content(self, words):
        words = re.sub(r'^(?:of|the|a|body|message)\s+', '', words.strip())
        path = os.path.join(self.app.folder, words)
        if words and os.path.isfile(path):
            with open(path, encoding='utf-8') as file:
                return file.read()
        if words.startswith('"') and words.endswith('"'):
            return words[1:-1]
        if words.startswith(('{', '[')) or re.fullmatch(r'[\w.-]+', words):
            return words
        raise CannotRun(f'what `{words[:80]}` is cannot be told')

    def send_message(self, words, queue):
        url, body = self.app.queue(queue), self.content(words or '{}')
        self.note()
        more = {'MessageGroupId': 'g', 'MessageDeduplicationId': str(time.time())} if url.endswith('.fifo') else {}
        self.app.sdk('sqs').send_message(QueueUrl=url, MessageBody=body, **more)
        self.app.say(f'a message is sent to {queue}')

    def publish(self, words, topic):
        self.note()
        self.app.sdk('sns').publish(TopicArn=self.app.topic(topic), Message=self.content(words))
        self.app.say(f'{topic} is published to')

    def put_object(self, key, content, bucket):
        path = os.path.join(self.app.folder, key)
        if content is None and not os.path.isfile(path):
            raise CannotRun(f'what the object `{key}` holds is not said')
        body = content.encode() if content is not None else open(path, 'rb').read()
        self.note()
        self.app.sdk('s3').put_object(Bucket=self.app.bucket(self.name(bucket)), Key=os.path.basename(key), Body=body)
        self.app.say(f'{key} is put into {bucket}')

    def put_item(self, table, item):
        item = json.loads(item)
        plain = lambda value: {'N': str(value)} if isinstance(value, (int, float)) else {'S': str(value)}
        is_typed = all(isinstance(value, dict) and len(value) == 1 for value in item.values())
        item = item if is_typed else {key: plain(value) for key, value in item.items()}
        self.table_used = (self.app.table(self.name(table)), item)
        self.note()
        self.app.sdk('dynamodb').put_item(TableName=self.table_used[0], Item=item)
        self.app.say(f'an item is put into {table}')

    def delete_item(self):
        if not self.table_used:
            raise CannotRun('which item to delete is not said')
        table, item = self.table_used
        tables = self.app.sdk('dynamodb')
        keys = [key['AttributeName'] for key in tables.describe_table(TableName=table)['Table']['KeySchema']]
        self.note()
        tables.delete_item(TableName=table, Key={key: item[key] for key in keys})
        self.app.say(f'the item of {table} is deleted')

    def tick(self, name, count, unit):
        seconds = int(count or 1) * {'minute': 60, 'hour': 3600, 'day': 86400}.get(unit or 'minute', 60)
        if seconds > 180:
            raise CannotRun(f'the schedule `{name}` fires too seldom to wait for')
        self.app.patience = seconds + 20

    # What is seen.
    def note(self):
        """What functions had written before what comes next."""
        self.written = set(self.app.lines())

    def receive_message(self, queue, expected):
        self.queue = queue
        bodies = self.app.receive(queue)
        self.app.check(f'{queue} receives a message', bodies, bodies)
        for part in re.split(r', | and ', expected or ''):
            found = re.match(r'^body\.([\w.]+)\s*==\s*(.*)$', part.strip())
            if found:
                value = json.loads(bodies[0])
                for name in found.group(1).split('.'):
                    value = value.get(name) if isinstance(value, dict) else None
                self.app.check(f'{queue}: {part}', value == json.loads(found.group(2)), bodies)
            elif part:
                raise CannotRun(f'`{part[:80]}` is in words that this program does not read')

    def queue_gets(self, queue, wanted=None, text=None):
        self.queue = queue
        if queue == 'tap' and wanted is None and text is None:
            raise CannotRun('what tap receives is not said')
        bodies = self.app.receive(queue)
        wanted = text if wanted is None else wanted
        squeezed = lambda one: re.sub(r'[\s\\]', '', one)
        holds = bodies if wanted is None else [body for body in bodies if squeezed(wanted) in squeezed(body)]
        self.app.check(f'{queue} gets {wanted or "it"}', holds, bodies)

    def nothing_arrives(self):
        if not self.queue:
            raise CannotRun('where nothing arrives is not said')
        bodies = self.app.receive(self.queue, within=3)
        self.app.check(f'nothing arrives at {self.queue}', not bodies, bodies)

    def not_called(self, function):
        time.sleep(2)
        own = self.app.lines(function)
        fresh = [line for line in own if line not in self.written]
        self.app.check(f'{function} is not called', not fresh, fresh)

    def table_has(self, table):
        self.app.eventually(f'{table} has an item', lambda: self.app.items(self.name(table)))

    def object_is(self, place, content):
        bucket, _, key = self.name(place).partition('/')
        if not key:
            raise CannotRun(f'`{place}` is no object of a bucket')
        self.bucket_has(bucket, key, content)

    def bucket_has(self, bucket, key, content):
        s3 = self.app.sdk('s3')

        def read():
            return s3.get_object(Bucket=self.app.bucket(self.name(bucket)), Key=key)['Body'].read().decode() == content
        self.app.eventually(f'{bucket}/{key} is {content!r}', read)

    def parameter_is(self, name, value):
        seen = self.app.sdk('ssm').get_parameter(Name=name, WithDecryption=True)['Parameter']['Value']
        self.app.check(f'parameter {name} is {value!r}', value is None or seen == value, seen)

    def versions_are(self, wanted):
        versions = self.app.sdk('lambda').list_versions_by_function(FunctionName=self.app.only_function())['Versions']
        seen = [one['Version'] for one in versions]
        self.app.check(f'versions are {wanted}', seen == re.split(r', | and ', wanted), seen)

    def alias_is(self, name, version):
        seen = self.app.sdk('lambda').get_alias(FunctionName=self.app.only_function(), Name=name)['FunctionVersion']
        self.app.check(f'{name} is {version}', seen == version, seen)

    def secret_is(self, name, value):
        seen = self.app.sdk('secretsmanager').get_secret_value(SecretId=name)['SecretString']
        self.app.check(f'secret {name} is {value!r}', value is None or seen == value, seen)


def is_step(text):
    """Whether what stands behind an arrow is a step itself, and not what is expected of a reply."""
    return bool(re.match(r'^(?:LOG|SDK|TICK|tap|queue|table|bucket|nothing arrives)\b|^[\w.-]+ (?:is not called|gets|has )', text)) \
        or bool(re.match(r'^[\w.<>-]+/\S+ == ', text))

