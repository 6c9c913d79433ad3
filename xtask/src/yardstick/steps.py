"""Carries out the steps of a proof that are written in the list's own short forms.

Lives here: requests (`GET /x -> 200 …`), `INVOKE`, `LOG`, and what is expected of a reply.
Does not live here: proofs in freer words (`proofs`).
"""
import json
import re
import urllib.parse

from application import CannotRun
from service_steps import ServiceSteps, is_step
from socket_steps import SocketSteps

METHODS = 'GET|POST|PUT|DELETE|PATCH|HEAD|OPTIONS'
CLOSING = {'{': '}', '[': ']', '(': ')'}


def split(text, separators):
    """Splits outside of quotes and brackets."""
    parts, current, open_, quoted, index = [], '', [], False, 0
    while index < len(text):
        letter = text[index]
        if quoted:
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in CLOSING:
            open_.append(CLOSING[letter])
        elif open_ and letter == open_[-1]:
            open_.pop()
        found = None if quoted or open_ else next((one for one in separators if text.startswith(one, index)), None)
        if found:
            parts.append(current.strip())
            current, index = '', index + len(found)
            continue
        current, index = current + letter, index + 1
    return [part for part in [*parts, current.strip()] if part]


def steps_of(proof):
    return split(proof, [';'])


class Runner:
    def __init__(self, app):
        self.app, self.headers, self.values, self.path = app, {}, {}, '/'
        self.services, self.sockets = ServiceSteps(app), SocketSteps(app)
        self.asked = None  # the first request
        self.sent, self.posted = None, None  # the last request with a body, and what its body was

    def run(self, proof):
        done = 0
        for step in steps_of(proof):
            done += self.step(step)
        if not done:
            raise CannotRun('no step of the proof is written in a short form')

    def step(self, text):
        """Whether the step was one that shows something."""
        text = re.sub(r'\s+\([^()]*\)$', '', text)
        if self.sockets.take(text):
            return 1
        prefix = re.match(r'^with ([\w-]+): ([^:]+): (.*)$', text)
        if prefix:
            self.headers[prefix.group(1)] = self.filled(prefix.group(2))
            text = prefix.group(3)
        if re.match(r'^(PREP|use |stack |parameter |handler )', text):
            self.services.prepare(text)
            return 0
        text = re.sub(r'^(?:no Lambda|no functions?)[;,]?\s*', '', text)
        if not text:
            return 0
        arrows = split(text, [' -> '])
        action, expected = arrows[0], ' -> '.join(arrows[1:])
        varied = re.match(r'^(?:no (\w+)|(\w+) ("[^"]*"|-?[\d.]+|true|false|null))$', action)
        if varied and self.sent and isinstance(self.posted, dict):
            body = {key: value for key, value in self.posted.items() if key != varied.group(1)}
            if varied.group(2):
                body[varied.group(2)] = json.loads(varied.group(3))
            method, path, headers = self.sent
            return self.send(method, path, body, headers, expected, keep=False)
        if re.match(r'^(?:the )?(?:first )?(?:query|request|GET) again$', action) and self.asked:
            method, path, body, headers = self.asked
            return self.send(method, path, body, headers, expected, keep=False)
        if len(arrows) > 1 and not re.match(rf'^({METHODS}|INVOKE|SigV4-signed|unsigned)\b', action):
            # What is done, and what is then seen: steps of their own.
            if re.match(r'^(SDK|get-)', action) and not is_step(expected):
                return self.taken(f'{action} {expected}')
            return self.taken(action) + sum(self.step(part) for part in self.seen(expected))
        if expected and is_step(expected):
            return self.step(action) + sum(self.step(part) for part in self.seen(expected))
        signing = re.match(r'^(SigV4-signed|unsigned) (.*)$', action)
        action = signing.group(2) if signing else action
        request = re.match(rf'^({METHODS})\b(.*)$', action)
        if request:
            is_signed = bool(signing) and signing.group(1) == 'SigV4-signed'
            return self.request(request.group(1), request.group(2).strip(), expected, is_signed)
        if action.startswith('INVOKE '):
            return self.invoke(action[7:], expected)
        if action.startswith('LOG '):
            return self.log(action[4:])
        return self.taken(text)

    def seen(self, text):
        """What is seen, one thing each; commas within one thing are its own."""
        parts = split(text, [', ', ' and '])
        return parts if all(is_step(part) for part in parts) else [text]

    def taken(self, text):
        if self.services.take(text):
            return 1
        raise CannotRun(f'the step `{text[:120]}` is in words that this program does not read')

    def filled(self, text):
        def value(match):
            name = match.group(1)
            if name not in self.values:
                raise CannotRun(f'nothing says what `{name}` is')
            return str(self.values[name])
        return re.sub(r'[{<](\w+)[}>]', value, text)

    def request(self, method, rest, expected, signed=False):
        headers, body = dict(self.headers), None
        if rest.startswith('function URL'):
            base = self.app.only_url()
            rest = rest[len('function URL'):].strip()
            rest = base.rstrip('/') + (rest if rest.startswith('/') else '/ ' + rest)
        if signed:
            return self.send(method, rest.split(' ')[0], body, headers, expected, signed_for='lambda')
        if rest.endswith('without token'):
            headers, rest = {}, rest[:-len('without token')].strip()
        found = re.search(r'\s*with header ([\w-]+): (\S+)', rest)
        if found:
            headers[found.group(1)] = found.group(2)
            rest = rest.replace(found.group(0), '')
        if re.search(r'\s*with(?:out)? (?:x-api-)?key\b', rest):
            is_with = ' with x-api-key' in ' ' + rest
            rest = re.sub(r'\s*with(?:out)? (?:x-api-)?key\b', '', rest)
            if is_with:
                headers['x-api-key'] = self.app.api_key('')
        rest = re.sub(r'\s*\(URL-encoded\)$', '', rest)
        path, _, more = self.cut(rest) if rest.startswith(('/', 'http')) else (self.path, '', rest)
        more = more.strip()
        if more.startswith('body '):
            body, headers['Content-Type'] = more[5:].replace('(text/plain)', '').strip(), 'text/plain'
        elif more.startswith(('{', '[')):
            body = self.decoded(more)
        elif more:
            raise CannotRun(f'what is sent by `{method} {rest[:100]}` is in words that this program does not read')
        self.path = path
        path, mark, query = path.partition('?')
        path = self.filled(path)
        if query:
            path += mark + urllib.parse.quote(query, safe='=&%+/')
        return self.send(method, path, body, headers, expected)

    def send(self, method, path, body, headers, expected, keep=True, signed_for=None):
        if body is not None and keep:
            self.sent, self.posted = (method, path, headers), body
        self.path = path
        self.asked = self.asked or (method, path, body, headers)
        reply = self.app.http(method, path, body, headers, signed_for=signed_for)
        sentence = f'{method} {path} -> {expected or reply.status}'
        self.expect(sentence, expected, reply.status, reply.headers, reply.text, reply.json)
        return 1

    @staticmethod
    def cut(text):
        """The path, which has no spaces outside of quotes and brackets, and the rest."""
        parts = split(text, [' '])
        return parts[0], ' ', text[len(parts[0]):]

    def decoded(self, text):
        try:
            return json.loads(text)
        except ValueError:
            raise CannotRun(f'`{text[:100]}` is no JSON')

    def invoke(self, action, expected):
        qualifier = re.search(r'\s+with qualifier (\S+)', action)
        action = action.replace(qualifier.group(0), '') if qualifier else action
        action = re.sub(r'^the function$', '', action.strip())
        function, _, payload = action.strip().partition(' ')
        if function == 'the':
            raise CannotRun('the function to invoke is named in words')
        function, payload = function or self.app.only_function(), payload.strip()
        more = {'qualifier': qualifier.group(1)} if qualifier else {}
        value, error = self.app.invoke(function, self.decoded(payload) if payload else {}, **more)
        status = value.get('statusCode') if isinstance(value, dict) else None
        expected = re.sub(r'\bstatusCode (\d{3})', r'\1', expected)
        text = value if isinstance(value, str) else json.dumps(value)
        if isinstance(value, dict) and isinstance(value.get('body'), str):
            try:
                value = dict(value, body=json.loads(value['body']))
            except ValueError:
                pass
        parts = split(expected, [' and LOG '])
        wanted = re.match(r'^FunctionError(?: with "(.*)")?$', expected)
        self.app.check(f'INVOKE {function} -> {expected}', bool(error) == bool(wanted), text)
        if wanted:
            self.app.check(f'INVOKE {function} -> {expected}', (wanted.group(1) or '') in text, text)
            return 1
        self.expect(f'INVOKE {function} -> {parts[0] if parts else ""}', parts[0] if parts else '', status, {}, text, value)
        for part in parts[1:]:
            self.log(part, function)
        return 1

    def log(self, text, function=None):
        text = re.sub(r' followed by an? \w+$', '', text)
        found = re.match(r'^(?:(\S+) )?(?:contains|shows) (.*)$', text)
        if not found:
            raise CannotRun(f'`LOG {text[:80]}` is in words that this program does not read')
        for wanted in split(found.group(2), [' and ', ', ']):
            wanted = wanted.strip()
            wanted = wanted[1:-1] if wanted[:1] in ('"', "'") else wanted
            self.app.logs(found.group(1) or function, wanted)
        return 1

    def expect(self, sentence, expected, status, headers, text, value):
        app = self.app
        for part in split(re.sub(r'\s+\([^()]*\)$', '', expected), [', ', ' and ']):
            code = re.match(r'^(\d)(\d\d|xx)\b\s*', part)
            if code:
                wanted = code.group(0).strip()
                app.check(sentence, str(status) == wanted or (wanted.endswith('xx') and str(status)[:1] == wanted[0]), f'{status} {text}')
                part = part[code.end():]
            if part:
                self.expect_body(sentence, part, headers, text, value)
        if not expected:
            app.say(sentence)

    def expect_body(self, sentence, part, headers, text, value):
        app = self.app
        if found := re.match(r'^content-type (\S+)$', part):
            app.check(sentence, found.group(1) in (headers.get('Content-Type') or ''), headers)
        elif found := re.match(r'^header ([\w-]+): (.*)$', part):
            app.check(sentence, headers.get(found.group(1)) == found.group(2), headers)
        elif found := re.match(r'^contains (?:"(.*)"|(\w+))$', part):
            wanted = found.group(1) if found.group(1) is not None else str(self.values.get(found.group(2), found.group(2)))
            app.check(sentence, wanted in text or wanted in json.dumps(value), text)
        elif found := re.match(r'^([\w.\[\]]+)\s*==\s*(.*)$', part):
            seen = self.at(found.group(1), value)
            try:
                wanted = json.loads(found.group(2))
            except ValueError:
                wanted = found.group(2)
            app.check(sentence, seen == wanted, text)
        elif part in ('true', 'false', 'null'):
            app.check(sentence, value == json.loads(part) or text == part, text)
        elif part == 'chunked' or part.endswith('arrives before the end'):
            app.say(sentence)
        elif part.startswith(('{', '[')):
            wanted = self.decoded(part)
            app.check(sentence, self.holds(wanted, value), text)
        elif found := re.match(r'^(JSON string )?"(.*)"$', part):
            wanted = found.group(2)
            app.check(sentence, value == wanted or (not found.group(1) and wanted in text), text)
        elif found := re.match(r'^(\w+) (?:"(.*)"|(\w+))$', part):
            wanted = found.group(2) if found.group(2) is not None else found.group(3)
            app.check(sentence, str(self.at(found.group(1), value)) == wanted, text)
        elif part in ('an array with it', 'contains it', 'a list with it'):
            items = value if isinstance(value, list) else [value]
            app.check(sentence, any(self.holds(self.posted, item) for item in items), text)
        elif re.match(r'^[A-Z]\w+(?: objects?)?$', part):
            app.check(sentence, isinstance(value, dict) and part.split()[0] in value, text)
        elif re.match(r'^\w+(\.\w+)+$', part):
            seen = self.at(part, value)
            app.check(sentence, seen is not None, text)
            self.values[part.rsplit('.', 1)[-1]] = seen
        else:
            raise CannotRun(f'`{part[:100]}` is in words that this program does not read')

    def at(self, path, value):
        """What stands at a path; `body.` in front means the reply's body."""
        def walk(names, value):
            for name in names:
                value = value.get(name) if isinstance(value, dict) else None
            return value
        names = path.split('.')
        found = walk(names, value)
        return walk(names[1:], value) if found is None and names[0] == 'body' else found

    def holds(self, wanted, seen):
        if isinstance(wanted, dict):
            return isinstance(seen, dict) and all(self.holds(value, seen.get(key)) for key, value in wanted.items())
        return wanted == seen
