import collections
import datetime
import json
import sys
import time

import boto3


def client(name):
    return boto3.client(name, endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")


sqs, functions, metrics, logs = client("sqs"), client("lambda"), client("cloudwatch"), client("logs")
seen = {"before": functions.get_function_recursion_config(FunctionName="round")["RecursiveLoop"]}

again, stopped = (sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in ("again", "stopped"))
sqs.send_message(QueueUrl=again, MessageBody="1")
received = sqs.receive_message(QueueUrl=stopped, WaitTimeSeconds=20)["Messages"][0]
record = json.loads(received["Body"])
message = record["requestPayload"]["Records"][0]["Sns"]["Message"]
context = record["requestContext"]
seen["stopped"] = [context["condition"], message, context["approximateInvokeCount"]]

now = datetime.datetime.now(datetime.timezone.utc)
dropped = metrics.get_metric_statistics(
    Namespace="AWS/Lambda",
    MetricName="RecursiveInvocationsDropped",
    Dimensions=[{"Name": "FunctionName", "Value": "round"}],
    StartTime=now - datetime.timedelta(hours=1),
    EndTime=now + datetime.timedelta(hours=1),
    Period=3600 * 3,
    Statistics=["Sum"],
)
seen["dropped"] = sum(point["Sum"] for point in dropped["Datapoints"])

seen["now"] = functions.put_function_recursion_config(FunctionName="round", RecursiveLoop="Allow")["RecursiveLoop"]
sqs.send_message(QueueUrl=again, MessageBody="1")
for _ in range(100):
    found = logs.filter_log_events(logGroupName="/aws/lambda/round", filterPattern='"round 20"')
    if found["events"]:
        break
    time.sleep(0.1)

functions.publish_version(FunctionName="round")
functions.update_function_configuration(FunctionName="round", Description="other", Timeout=5)
functions.get_waiter("function_updated_v2").wait(FunctionName="round")
functions.publish_version(FunctionName="round")
alias = functions.create_alias(
    FunctionName="round", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}}
)
seen["weights"] = alias["RoutingConfig"]["AdditionalVersionWeights"]
last = json.dumps({"Records": [{"eventSource": "aws:sqs", "body": "20"}]})
ran = [functions.invoke(FunctionName="round", Qualifier="live", Payload=last)["ExecutedVersion"] for _ in range(20)]
seen["versions"] = dict(sorted(collections.Counter(ran).items()))
print(json.dumps(seen))
