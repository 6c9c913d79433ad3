"""Users, roles and sessions by boto3, from outside. Prints what it saw."""
import json
import sys

import boto3
from botocore.exceptions import ClientError

HERE = {"endpoint_url": sys.argv[1], "region_name": "us-east-1"}
ROOT = {"aws_access_key_id": "anything", "aws_secret_access_key": "at-all", **HERE}
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/ledger"


def code(call):
    try:
        call()
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, on="*", **conditions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return {**statement, **({"Condition": conditions} if conditions else {})}


def as_user(key):
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"], **HERE}


def as_session(keys):
    return {**as_user(keys), "aws_session_token": keys["SessionToken"]}


seen = {}
iam, root = boto3.client("iam", **ROOT), boto3.client("dynamodb", **ROOT)
root.create_table(
    TableName="ledger",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
)
seen["root"] = boto3.client("sts", **ROOT).get_caller_identity()["Arn"]

# A user may what its policies and those of its groups allow.
iam.create_user(UserName="ada")
iam.create_group(GroupName="readers")
iam.put_group_policy(GroupName="readers", PolicyName="own", PolicyDocument=policy(
    allow("dynamodb:GetItem", on=TABLE, **{"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:username}"]}})))
key = iam.create_access_key(UserName="ada")["AccessKey"]
ada = boto3.client("dynamodb", **as_user(key))
get = lambda client, id: code(lambda: client.get_item(TableName="ledger", Key={"id": {"S": id}}))
seen["without"] = get(ada, "ada")
iam.add_user_to_group(GroupName="readers", UserName="ada")
seen["own item"] = get(ada, "ada")
seen["another's"] = get(ada, "eve")
created = iam.create_policy(PolicyName="no-reads", PolicyDocument=policy(
    {"Effect": "Deny", "Action": "dynamodb:Get*", "Resource": "*"}))["Policy"]
iam.attach_user_policy(UserName="ada", PolicyArn=created["Arn"])
seen["denied"] = get(ada, "ada")
iam.detach_user_policy(UserName="ada", PolicyArn=created["Arn"])

# A role is assumed by whom its trust policy names, and its session limited by what is passed.
role = iam.create_role(RoleName="clerk", AssumeRolePolicyDocument=policy(
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": iam.get_user(UserName="ada")["User"]["Arn"]},
     "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}}))["Role"]
iam.attach_role_policy(RoleName="clerk", PolicyArn="arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")
sts = boto3.client("sts", **as_user(key))
assume = lambda **more: sts.assume_role(RoleArn=role["Arn"], RoleSessionName="desk", **more)
seen["no external id"] = code(assume)
session = assume(ExternalId="secret")
seen["session"] = session["AssumedRoleUser"]["Arn"]
clerk = as_session(session["Credentials"])
seen["as role"] = get(boto3.client("dynamodb", **clerk), "eve")
seen["identity"] = boto3.client("sts", **clerk).get_caller_identity()["UserId"].split(":")[1]
limited = assume(ExternalId="secret", Policy=policy(allow("dynamodb:PutItem")))["Credentials"]
seen["limited"] = get(boto3.client("dynamodb", **as_session(limited)), "eve")
stolen = {**as_session(session["Credentials"]), "aws_secret_access_key": "guess"}
seen["wrong secret"] = get(boto3.client("dynamodb", **stolen), "eve")

# Keys that were switched off or deleted are nobody's, and never the root's.
iam.update_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"], Status="Inactive")
seen["inactive"] = get(ada, "ada")
iam.delete_access_key(UserName="ada", AccessKeyId=key["AccessKeyId"])
seen["deleted"] = get(ada, "ada")

# Presigned, and with a body that is not signed.
url = boto3.client("sts", **ROOT).generate_presigned_url("get_caller_identity")
import urllib.request
seen["presigned"] = urllib.request.urlopen(url).status

seen["pages"] = sum(len(page["Policies"]) for page in iam.get_paginator("list_policies").paginate(
    Scope="Local", PaginationConfig={"PageSize": 1}))
seen["refused"] = code(lambda: iam.create_virtual_mfa_device(VirtualMFADeviceName="m"))
print(json.dumps(seen))
