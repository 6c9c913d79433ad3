"""Steps of a proof that are about WebSocket clients.

Lives here: connecting clients, what they send and hear, and what is left in a table when they have gone.
Does not live here: requests (`steps`), other steps of services (`service_steps`).
"""
import re

from websockets.sync.client import connect

from application import CannotRun

NUMBERS = {'a': 1, 'one': 1, 'two': 2, 'three': 3, 'no': 0, 'none': 0}
COUNT = r'(\d+|a|one|two|three|no|none)'
CONNECTED_WITHIN_S = 20


class SocketSteps:
    """What a runner of steps can do with WebSocket clients; it says itself whether it has understood."""

    def __init__(self, app):
        self.app, self.clients = app, []
        self.forms = [
            (rf'^{COUNT} WS clients?(?: on stage ([\w$-]+))?$', self.open),
            (r'^client (\d) sends (\{.*\}|".*"|\S+) -> (both|all|it|client \d) receives? "(.*)"$', self.send),
            (rf'^(?:the )?(?:table )?([\w-]+)(?: table)? has {COUNT} items?(, none after close)?$', self.count),
            (r'^after close (?:the )?([\w-]+)(?: table)? is empty$', self.empty_after_close),
        ]

    def take(self, text):
        """Whether the step is one of these; it has been carried out then."""
        for form, act in self.forms:
            found = re.match(form, text)
            # Tables are also of other proofs: here only those that clients are connected for.
            if found and (self.clients or act == self.open):
                act(*found.groups())
                return True
        return False

    def open(self, count, stage=None):
        for _ in range(number(count)):
            url = f'ws://127.0.0.1:{self.app.port}/{stage or ""}'
            self.clients.append(connect(url, open_timeout=CONNECTED_WITHIN_S, proxy=None))
        self.app.say(f'{count} clients connect')

    def send(self, sender, message, who, wanted):
        clients = {index + 1: client for index, client in enumerate(self.clients)}
        if int(sender) not in clients:
            raise CannotRun(f'there is no client {sender}')
        message = message[1:-1] if message.startswith('"') else message
        clients[int(sender)].send(message)
        hears = {'both': list(clients), 'all': list(clients), 'it': [int(sender)]}.get(who) or [int(who.split()[-1])]
        for index in hears:
            try:
                heard = clients[index].recv(timeout=self.app.patience)
            except TimeoutError:
                heard = None
            self.app.check(f'client {index} receives {wanted!r}', heard == wanted, heard)

    def count(self, table, count, none_after_close):
        wanted = number(count)
        self.app.eventually(f'{table} has {count} items', lambda: len(self.app.items(table)) == wanted)
        if none_after_close:
            self.empty_after_close(table)

    def empty_after_close(self, table):
        for client in self.clients:
            client.close()
        self.app.eventually(f'{table} is empty after close', lambda: not self.app.items(table))


def number(word):
    return NUMBERS[word] if word in NUMBERS else int(word)
