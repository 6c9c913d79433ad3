"""An application under proof: its APIs, the cloud services beside it, its log.

Lives here: everything that a step of a proof does to an application, by boto3 or plain HTTP.
Does not live here: which steps there are (`steps`, `proofs`), starting the application (`run.rs`).
"""
import json
import re
import time
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ACCOUNT = '000000000000'
WITHIN_S = 15


class Failed(Exception):
    """The application does not do what its proof says."""


class CannotRun(Exception):
    """This machine, or this program, cannot carry out the proof."""


class Name(str):
    """The name of a header, which is sent as it is written: REST APIs hand it on so, and applications look for it so."""

    def capitalize(self):
        return self

    def title(self):
        return self


class Reply:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        self.text = raw.decode(errors='replace')
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None

    def __str__(self):
        return f'{self.status} {self.text[:300]}'


class App:
    def __init__(self, folder, port, services, log):
        self.folder, self.port, self.services, self.log = folder, port, services, log
        banner = re.search(r'\((?:stage [^,]+, )?([a-z]{2}-[a-z]+-\d)\)', self.log_text())
        self.region = banner.group(1) if banner else 'us-east-1'
        self.steps = []
        self.patience = WITHIN_S  # how long what comes by itself is waited for

    # What a proof says of itself while it runs.
    def say(self, text):
        self.steps.append(text)

    def check(self, sentence, holds, seen=None):
        if not holds:
            raise Failed(sentence + (f'; saw {str(seen)[:400]}' if seen is not None else ''))
        self.say(sentence)

    def eventually(self, sentence, probe, within=None):
        within = within or self.patience
        end, seen = time.time() + within, None
        while True:
            try:
                seen = probe()
            except Failed:
                raise
            except Exception as error:  # what is not there yet is an error of the service
                seen = None if time.time() < end else error
            if seen and not isinstance(seen, Exception):
                self.say(sentence)
                return seen
            if end < time.time():
                raise Failed(f'{sentence}: not within {within} s' + (f'; saw {str(seen)[:300]}' if seen else ''))
            time.sleep(0.2)

    # HTTP.
    def http(self, method, path, body=None, headers=None, base=None, signed_for=None):
        # Without spaces, as proofs write it: some applications log what they were sent.
        data = json.dumps(body, separators=(',', ':')).encode() if isinstance(body, (dict, list)) else body
        data = data.encode() if isinstance(data, str) else data
        headers = dict(headers or {})
        if data is not None and not any(name.lower() == 'content-type' for name in headers):
            headers['Content-Type'] = 'application/json'
        url = path if path.startswith('http') else (base or f'http://127.0.0.1:{self.port}').rstrip('/') + path
        if signed_for:
            request = AWSRequest(method=method, url=url, data=data, headers=headers)
            SigV4Auth(Credentials('test', 'test'), signed_for, self.region).add_auth(request)
            headers = dict(request.headers)
        # Names below `localhost` are this machine, whatever the resolver knows.
        local = re.match(r'^http://([\w.-]+\.localhost)(:\d+)?(/.*)?$', url)
        if local:
            headers.setdefault('Host', local.group(1) + (local.group(2) or ''))
            url = f'http://127.0.0.1{local.group(2) or ""}{local.group(3) or "/"}'
        own = ('content-type', 'content-length', 'host')  # These urllib looks for by its own spelling.
        headers = {name if name.lower() in own else Name(name): value for name, value in headers.items()}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.headers, error.read())

    # Cloud services.
    def sdk(self, service):
        return boto3.client(service, region_name=self.region, endpoint_url=f'http://127.0.0.1:{self.services}',
                            aws_access_key_id='test', aws_secret_access_key='test',
                            config=Config(retries={'max_attempts': 1}, read_timeout=90,
                                          s3={'addressing_style': 'path'}))

    def all(self, service, operation, key):
        return [item for page in self.sdk(service).get_paginator(operation).paginate() for item in page.get(key, [])]

    @staticmethod
    def pick(names, wanted, what):
        """The name that is this one, or that was made of this logical id."""
        if wanted in names:
            return wanted
        plain = lambda text: re.sub(r'[^a-z0-9]', '', text.lower())
        made = [name for name in names if re.search(rf'(^|-){re.escape(wanted)}(-|$)', name)]
        made = made or [name for name in names if plain(name).endswith(plain(wanted))]
        made = made or [name for name in names if plain(wanted) in plain(name)]
        if not made:
            raise Failed(f'there is no {what} `{wanted}`: {", ".join(names)[:300]}')
        return min(made, key=len)

    def function(self, name):
        try:
            known = [one['FunctionName'] for one in self.all('lambda', 'list_functions', 'Functions')]
        except Exception as error:
            raise Failed(f'functions cannot be listed: {error}')
        return self.pick(known, name, 'function')

    def queue(self, name):
        urls = self.all('sqs', 'list_queues', 'QueueUrls')
        by_name = {url.rsplit('/', 1)[-1]: url for url in urls}
        return by_name[self.pick(list(by_name), name, 'queue')]

    def topic(self, name):
        by_name = {one['TopicArn'].rsplit(':', 1)[-1]: one['TopicArn'] for one in self.all('sns', 'list_topics', 'Topics')}
        return by_name[self.pick(list(by_name), name, 'topic')]

    def bucket(self, name):
        return self.pick([one['Name'] for one in self.sdk('s3').list_buckets()['Buckets']], name.lower(), 'bucket')

    def table(self, name):
        return self.pick(self.all('dynamodb', 'list_tables', 'TableNames'), name, 'table')

    def items(self, table):
        pages = self.sdk('dynamodb').get_paginator('scan').paginate(TableName=self.table(table))
        return [item for page in pages for item in page['Items']]

    def invoke(self, function, payload=None, qualifier=None):
        more = {'Qualifier': qualifier} if qualifier else {}
        reply = self.sdk('lambda').invoke(FunctionName=self.function(function), Payload=json.dumps(payload or {}), **more)
        text = reply['Payload'].read().decode()
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        return value, reply.get('FunctionError')

    def only_function(self):
        names = [one['FunctionName'] for one in self.all('lambda', 'list_functions', 'Functions')]
        if len(names) != 1:
            raise CannotRun('which function is meant is not said')
        return names[0]

    def only_url(self):
        found = re.search(r'URL +(http://\S+)', self.log_text())
        if not found:
            raise Failed('no function has a URL')
        return found.group(1)

    def function_url(self, name):
        """Where this machine serves the function's URL: its own address is the cloud's."""
        made = self.function(name)
        found = re.search(rf'URL +(http://\S+) +{re.escape(made)}$', self.log_text(), re.M)
        return found.group(1) if found else self.sdk('lambda').get_function_url_config(FunctionName=made)['FunctionUrl']

    def api_key(self, name):
        found = re.search(rf'API keys? +(\S+) +\S*{re.escape(name)}', self.log_text())
        if not found:
            raise CannotRun(f'the value of the API key `{name}` is not known')
        return found.group(1)

    # Queues.
    def receive(self, queue, within=WITHIN_S, wait=True):
        """The bodies of what waits, each taken out; at least one of them unless nothing is waited for."""
        sqs, url, bodies, end = self.sdk('sqs'), self.queue(queue), [], time.time() + within
        while True:
            got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get('Messages', [])
            for message in got:
                bodies.append(message['Body'])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message['ReceiptHandle'])
            if (bodies and not got) or not wait or end < time.time():
                return bodies

    def tap(self, topic):
        sqs = self.sdk('sqs')
        url = sqs.create_queue(QueueName='tap')['QueueUrl']
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['QueueArn'])['Attributes']['QueueArn']
        topic = self.topic(topic)
        policy = {'Version': '2012-10-17', 'Statement': [{
            'Effect': 'Allow', 'Principal': {'Service': 'sns.amazonaws.com'}, 'Action': 'sqs:SendMessage', 'Resource': arn}]}
        sqs.set_queue_attributes(QueueUrl=url, Attributes={'Policy': json.dumps(policy)})
        self.sdk('sns').subscribe(TopicArn=topic, Protocol='sqs', Endpoint=arn)

    # The log.
    def log_text(self):
        with open(self.log, encoding='utf-8', errors='replace') as file:
            return file.read()

    def lines(self, function=None):
        """What functions wrote, and that they ran: those whose name contains this, or all. What a function writes for an
        event stands below the event's own line, and for a request below the request's, which does not name it."""
        found, owner = [], ''
        for line in self.log_text().splitlines():
            name, separator, text = line.partition('│ ')
            event = re.match(r'^\S+ +.+ → (\S+) (?:ok|failed|\w+).* ms', line)
            if event:
                owner, name, text = event.group(1), event.group(1), 'REPORT ' + line
            elif not separator:
                owner = '' if line.strip() else owner
                continue
            name = name.strip() or owner
            if function is None or not name or function.lower() in name.lower():
                found.append(text)
        return found

    def logs(self, function, *texts, within=None):
        def has(text):
            seen = '\n'.join(self.lines(function))
            # JSON within JSON, as an event's body when the event is printed, has its quotes escaped.
            return text in seen or text in seen.replace('\\"', '"')
        for text in texts:
            where = function or 'the log'
            self.eventually(f'{where} contains {text!r}', lambda text=text: has(text), within)

    def is_silent(self, function, text, within=3):
        time.sleep(within)
        seen = '\n'.join(self.lines(function))
        self.check(f'{function} does not contain {text!r}', text not in seen, seen)
