"""Who may what with buckets, and what their events may reach. Prints what it saw."""

import io
import json
import os
import urllib.error
import urllib.request
import zipfile

import boto3
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
ARN = f"us-east-1:{ACCOUNT}"
s3, sqs, sns, awslambda = (boto3.client(name) for name in ("s3", "sqs", "sns", "lambda"))
seen = {}


def refusal(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]
    return {}


def asked(method, path, body=None, **headers):
    request = urllib.request.Request(f"{os.environ['AWS_ENDPOINT_URL']}/{path}", body, headers, method=method)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    return [answer.status, answer.headers["Access-Control-Allow-Origin"]]


# A user who may everything, where no bucket says otherwise.
iam = boto3.client("iam")
iam.create_user(UserName="ada")
everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
iam.put_user_policy(UserName="ada", PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}))
key = iam.create_access_key(UserName="ada")["AccessKey"]
as_ada = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
ada = boto3.client("s3", config=boto3.session.Config(signature_version="s3v4"), **as_ada)


def but_not(action, **conditions):
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:::guarded/*", "Condition": conditions}
    s3.put_bucket_policy(Bucket="guarded", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


s3.create_bucket(Bucket="guarded")
rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["https://example.com"]}
s3.put_bucket_cors(Bucket="guarded", CORSConfiguration={"CORSRules": [rule]})

# Browsers are told of refusals; a preflight of a presigned URL is not judged by the signature of what it precedes.
seen["refused at the door"] = [asked("GET", "guarded/k", Origin=origin) for origin in ("https://example.com", "https://other.org")]
seen["no bucket"] = [asked(method, "nowhere/k")[0] for method in ("GET", "PUT", "DELETE")] + [asked("PUT", "nowhere")[0]]
path = ada.generate_presigned_url("put_object", Params={"Bucket": "guarded", "Key": "k"}).split("/", 3)[3]
wish = {"Access-Control-Request-Method": "PUT"}
seen["preflights"] = [asked("OPTIONS", path, Origin=origin, **wish) for origin in ("https://example.com", "https://other.org")]
seen["no preflight"] = asked("PUT", path.replace("X-Amz-Signature=", "X-Amz-Signature=0"), b"", Origin="https://example.com")

# From where a request comes counts for lists and forms too, which are judged when their bodies are read.
s3.put_object(Bucket="guarded", Key="k", Body=b"")


def deleted():
    answer = ada.delete_objects(Bucket="guarded", Delete={"Objects": [{"Key": "k"}]})
    return [error["Code"] for error in answer.get("Errors", [])] + [one["Key"] for one in answer.get("Deleted", [])]


def posted():
    form = ada.generate_presigned_post("guarded", "form")
    parts = [*form["fields"].items(), ("file", "x")]
    part = '--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = "".join(part % pair for pair in parts) + "--B--\r\n"
    return asked("POST", "guarded", body.encode(), **{"Content-Type": "multipart/form-data; boundary=B"})[0]


but_not("s3:*", IpAddress={"aws:SourceIp": "127.0.0.0/8"})
seen["from here"] = [deleted(), posted()]
but_not("s3:*", Bool={"aws:SecureTransport": "false"})
seen["without TLS"] = [deleted(), posted()]
but_not("s3:*", IpAddress={"aws:SourceIp": "10.0.0.0/8"}, Bool={"aws:SecureTransport": "false"})
seen["from elsewhere"] = [deleted(), posted()]

# Whoever has a function made of code in a bucket reads that code.
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as code:
    code.writestr("index.py", "def handler(event, context): pass")
s3.put_object(Bucket="guarded", Key="code.zip", Body=archive.getvalue())
lets_in = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
iam.create_role(RoleName="told", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [lets_in]}))
made = {
    "FunctionName": "told",
    "Runtime": "python3.11",
    "Handler": "index.handler",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/told",
    "Code": {"S3Bucket": "guarded", "S3Key": "code.zip"},
}
but_not("s3:GetObject", StringEquals={"aws:username": "ada"})
error = refusal(boto3.client("lambda", **as_ada).create_function, **made)
seen["code"] = [error.get("Code"), "s3:GetObject" in error.get("Message", "")]
awslambda.create_function(**made)

# Events go to what lets S3 in.
FUNCTION, QUEUE, TOPIC = f"arn:aws:lambda:{ARN}:function:told", f"arn:aws:sqs:{ARN}:told", f"arn:aws:sns:{ARN}:told"


def tell(skip=False, **targets):
    rules = {
        f"{kind}Configurations": [{f"{kind}Arn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": kind}]}}}]
        for kind, arn in targets.items()
    }
    error = refusal(s3.put_bucket_notification_configuration, Bucket="guarded", NotificationConfiguration=rules, SkipDestinationValidation=skip)
    details = [error[name] for name in sorted(error) if name.startswith("Argument")]
    return [error.get("Code"), error.get("Message"), *details] if error else "kept"


everywhere = {"LambdaFunction": FUNCTION, "Queue": QUEUE, "Topic": TOPIC}
seen["missing"] = tell(LambdaFunction=FUNCTION + "-not", Queue=QUEUE, Topic=TOPIC)
queue = sqs.create_queue(QueueName="told")["QueueUrl"]
sns.create_topic(Name="told")
seen["not let in"] = tell(**everywhere)
seen["nothing kept"] = [name for name in s3.get_bucket_notification_configuration(Bucket="guarded") if name.endswith("Configurations")]
seen["skipped"] = tell(skip=True, Queue=QUEUE)
bucket = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::guarded"}}


def let_in(action, arn):
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": action, "Resource": arn, "Condition": bucket}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": let_in("sqs:SendMessage", QUEUE)})
sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=let_in("sns:Publish", TOPIC))
permission = {"FunctionName": "told", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
awslambda.add_permission(StatementId="other", SourceArn="arn:aws:s3:::other", **permission)
seen["for another bucket"] = tell(**everywhere)[2:]
awslambda.add_permission(StatementId="this", SourceArn="arn:aws:s3:::guarded", **permission)
seen["let in"] = tell(**everywhere)
print(json.dumps(seen))
