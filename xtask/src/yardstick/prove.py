"""Carries out one row's proof against an application that runs: prove.py ROW FOLDER PORT SERVICES_PORT LOG READING.

Lives here: choosing how the proof is read, and its verdict as one line of JSON.
Does not live here: the steps (`steps`, `proofs`), starting and ending the application (`run.rs`).
"""
import json
import sys
import traceback

from application import App, CannotRun, Failed
from proofs import PROOFS
from steps import Runner


def main(row, folder, port, services, log, reading):
    row = json.loads(row)
    app = App(folder, int(port), int(services), log)
    own = PROOFS.get((row['repo'], row['path'])) if reading == 'exact' else None
    try:
        own(app) if own else Runner(app).run(row['proof'])
        verdict, reason = 'passed', ''
    except Failed as failure:
        verdict, reason = 'failed', str(failure)
    except CannotRun as cannot:
        verdict, reason = 'cannot run', str(cannot)
    except Exception as error:  # a service that refuses a call has not done what the proof says
        place = traceback.extract_tb(error.__traceback__)
        line = next((one.lineno for one in reversed(place) if one.filename.endswith('proofs.py')), 0)
        verdict, reason = 'failed', f'{type(error).__name__}: {error} (line {line})'
    gone = ('Runtime.CallbackHandlerDeprecated', 'context.succeed is not a function', 'context.done is not a function')
    if verdict == 'failed' and any(word in app.log_text() for word in gone):
        verdict = 'cannot run'
        reason = 'a function calls back, which the cloud itself refuses since nodejs24.x: ' + reason
    print(json.dumps({'verdict': verdict, 'reason': ' '.join(reason.split()), 'steps': app.steps}))


main(*sys.argv[1:])
