# boto3 from outside: a function from its archive to its end, with what hangs on it.
import base64, hashlib, io, json, sys, time, urllib.request, zipfile

import boto3

options = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="anything", aws_secret_access_key="at-all")
functions, queues, identity = (boto3.client(name, **options) for name in ("lambda", "sqs", "iam"))
ROLE = "arn:aws:iam::000000000000:role/made"


def archive(code):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.py", code)
    return out.getvalue()


def invoke(**named):
    return json.loads(functions.invoke(FunctionName="made", **named)["Payload"].read())


def within(seconds, look):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    return None


def refused(call, **named):
    try:
        call(**named)
    except Exception as error:
        return error.response["Error"]["Code"]


def make_role():
    def policy(action, **more):
        return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, **more}})

    trust = policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    identity.create_role(RoleName="made", AssumeRolePolicyDocument=trust)
    identity.put_role_policy(RoleName="made", PolicyName="queues", PolicyDocument=policy("sqs:*", Resource="*"))


def make():
    make_role()
    one = archive("def handler(event, context):\n    return {'one': event, 'version': context.function_version}\n")
    two = archive("import os\ndef handler(event, context):\n    return {'two': os.environ['NAME'], 'version': context.function_version}\n")
    created = functions.create_function(
        FunctionName="made", Runtime="python3.11", Handler="index.handler", Role=ROLE, Code={"ZipFile": one}, Tags={"team": "blue"}
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="made")
    first = invoke(Payload=b'{"a": 1}')
    told = functions.get_function(FunctionName="made")
    fetched = urllib.request.urlopen(told["Code"]["Location"]).read()
    version = functions.publish_version(FunctionName="made")["Version"]
    functions.update_function_configuration(FunctionName="made", Environment={"Variables": {"NAME": "second"}})
    functions.update_function_code(FunctionName="made", ZipFile=two)
    functions.create_alias(FunctionName="made", Name="live", FunctionVersion=version)
    latest, live = invoke(), invoke(Qualifier="live", Payload=b"[]")
    done = queues.create_queue(QueueName="done")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:"
    functions.put_function_event_invoke_config(FunctionName="made", DestinationConfig={"OnSuccess": {"Destination": arn + "done"}})
    accepted = functions.invoke(FunctionName="made", InvocationType="Event", Payload=b"{}")["StatusCode"]
    messages = within(20, lambda: queues.receive_message(QueueUrl=done, WaitTimeSeconds=5).get("Messages"))
    jobs = queues.create_queue(QueueName="jobs")["QueueUrl"]
    mapping = functions.create_event_source_mapping(FunctionName="made:live", EventSourceArn=arn + "jobs")["UUID"]
    queues.send_message(QueueUrl=jobs, MessageBody="job")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    count = lambda: queues.get_queue_attributes(QueueUrl=jobs, AttributeNames=names)["Attributes"]
    emptied = within(20, lambda: all(value == "0" for value in count().values()))
    return {
        "state": [created["State"], told["Configuration"]["State"], told["Tags"]],
        "first": first,
        "same code": base64.b64encode(hashlib.sha256(fetched).digest()).decode() == told["Configuration"]["CodeSha256"] and fetched == one,
        "latest": latest,
        "live": live,
        "accepted": accepted,
        "told": messages and json.loads(messages[0]["Body"])["responsePayload"],
        "emptied": bool(emptied),
        "mapping": functions.get_event_source_mapping(UUID=mapping)["State"],
    }


def end():
    mapping = functions.list_event_source_mappings(FunctionName="made:live")["EventSourceMappings"][0]["UUID"]
    answers = {"latest": invoke(), "live": invoke(Qualifier="live", Payload=b"[]")}
    functions.delete_event_source_mapping(UUID=mapping)
    functions.delete_function(FunctionName="made")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.py", b"0" * (251 * 1024 * 1024))
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as file:
        file.writestr("../outside.py", "")
    named = dict(FunctionName="hostile", Runtime="python3.11", Handler="index.handler", Role=ROLE)
    answers["refused"] = [
        refused(functions.invoke, FunctionName="made"),
        refused(functions.create_function, Code={"ZipFile": b"no archive"}, **named),
        refused(functions.create_function, Code={"ZipFile": bomb.getvalue()}, **named),
        refused(functions.create_function, Code={"ZipFile": outside.getvalue()}, **named),
    ]
    answers["left"] = [function["FunctionName"] for function in functions.list_functions()["Functions"]]
    return answers


print(json.dumps({"make": make, "end": end}[sys.argv[2]]()))
