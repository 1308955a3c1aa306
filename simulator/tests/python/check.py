"""boto3 and the AWS CLI against the simulator, unchanged. The address is the first argument."""

import datetime
import json
import os
import subprocess
import sys
import time
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

URL = sys.argv[1]
os.environ.update(
    AWS_ENDPOINT_URL_BEDROCK=URL,
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY="secret",
    AWS_EC2_METADATA_DISABLED="true",
    AWS_CONFIG_FILE=os.devnull,
    AWS_SHARED_CREDENTIALS_FILE=os.devnull,
    AWS_PAGER="",
)
NOVA = "amazon.nova-lite-v1:0:24k"
NOVA_ARN = "arn:aws:bedrock:us-east-1::foundation-model/" + NOVA
V2 = "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:24k/summarizer02"
bedrock = boto3.client("bedrock", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_simulator/{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        return error.response
    raise AssertionError(f"{call.__name__} should be refused with {code}")


def get(identifier):
    return bedrock.get_provisioned_model_throughput(provisionedModelId=identifier)


def wait_until(status, identifier):
    deadline = time.monotonic() + 30
    while get(identifier)["status"] != status:
        assert time.monotonic() < deadline, get(identifier)
        time.sleep(0.05)


def aws(*arguments, code=0):
    program = os.path.join(os.path.dirname(sys.executable), "aws")
    done = subprocess.run([sys.executable, program, "bedrock", *arguments, "--output", "json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def with_boto3():
    made = bedrock.create_provisioned_model_throughput(
        provisionedModelName="boto", modelId="summarizer-v1", modelUnits=1, tags=[{"key": "team", "value": "search"}]
    )
    arn = made["provisionedModelArn"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert get(arn)["status"] == "Creating"
    wait_until("InService", arn)
    bedrock.update_provisioned_model_throughput(
        provisionedModelId=arn, desiredProvisionedModelName="boto-2", desiredModelId="summarizer-v2"
    )
    during = get(arn)
    assert (during["status"], during["desiredModelArn"]) == ("Updating", V2), during
    refused("ValidationException", bedrock.delete_provisioned_model_throughput, provisionedModelId=arn)
    wait_until("InService", arn)
    assert get("boto-2")["modelArn"] == V2
    assert get("boto-2")["foundationModelArn"] == NOVA_ARN

    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "stage", "value": "test"}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["team"])
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "stage", "value": "test"}]

    pages = bedrock.get_paginator("list_provisioned_model_throughputs").paginate(PaginationConfig={"PageSize": 1})
    names = [one["provisionedModelName"] for page in pages for one in page["provisionedModelSummaries"]]
    assert sorted(names) == ["boto-2", "chat", "nova-lite", "summarizer"], names
    found = bedrock.list_provisioned_model_throughputs(nameContains="boto", statusEquals="InService", sortOrder="Ascending")
    assert [one["provisionedModelArn"] for one in found["provisionedModelSummaries"]] == [arn]

    assert bedrock.get_custom_model(modelIdentifier="summarizer-v1")["baseModelArn"] == NOVA_ARN
    models = bedrock.get_paginator("list_custom_models").paginate(PaginationConfig={"PageSize": 2})
    assert sum(len(page["modelSummaries"]) for page in models) == 3
    assert bedrock.get_foundation_model(modelIdentifier=NOVA)["modelDetails"]["modelArn"] == NOVA_ARN
    assert len(bedrock.list_foundation_models(byInferenceType="PROVISIONED")["modelSummaries"]) == 2

    refused("ResourceNotFoundException", bedrock.get_provisioned_model_throughput, provisionedModelId="nobody")
    refused("ValidationException", bedrock.list_provisioned_model_throughputs, nextToken="made-up")
    control("POST", "faults", {"operation": "ListFoundationModels", "count": 1, "kind": "error", "code": "ThrottlingException"})
    throttled = refused("ThrottlingException", bedrock.list_foundation_models)
    assert throttled["ResponseMetadata"]["HTTPStatusCode"] == 429, throttled
    bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
    refused("ResourceNotFoundException", bedrock.get_provisioned_model_throughput, provisionedModelId=arn)


def filters_of_boto3():
    names = lambda **filters: sorted(
        one["provisionedModelName"] for one in bedrock.list_provisioned_model_throughputs(**filters)["provisionedModelSummaries"]
    )
    hour = datetime.timedelta(hours=1)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert names(creationTimeAfter=now - hour) == ["chat", "nova-lite", "summarizer"]
    assert names(creationTimeAfter=now + hour) == []
    assert names(creationTimeBefore=now - hour) == []
    assert names(modelArnEquals=NOVA_ARN) == ["nova-lite"]
    assert names(nameContains="chat", sortBy="CreationTime") == ["chat"]
    assert names(statusEquals="Failed") == []
    assert type(get("chat")["creationTime"]) is datetime.datetime


def refusals_of_boto3():
    create = bedrock.create_provisioned_model_throughput
    update = bedrock.update_provisioned_model_throughput
    made = [create(provisionedModelName="once", modelId=NOVA, modelUnits=1, clientRequestToken="once") for _ in range(2)]
    assert made[0]["provisionedModelArn"] == made[1]["provisionedModelArn"]
    wait_until("InService", "once")
    refused("ValidationException", create, provisionedModelName="chat", modelId=NOVA, modelUnits=1)
    refused("ValidationException", create, provisionedModelName="a--b", modelId=NOVA, modelUnits=1)
    refused("ValidationException", update, provisionedModelId="once", desiredModelId="summarizer-v1")
    refused("ResourceNotFoundException", update, provisionedModelId="summarizer", desiredModelId="nobody")
    tags = [{"key": f"k{number}", "value": ""} for number in range(51)]
    many = refused("TooManyTagsException", bedrock.tag_resource, resourceARN=made[0]["provisionedModelArn"], tags=tags)
    assert many["resourceName"] == made[0]["provisionedModelArn"], many
    committed = create(provisionedModelName="committed", modelId=NOVA, modelUnits=1, commitmentDuration="OneMonth")
    wait_until("InService", "committed")
    assert get("committed")["commitmentExpirationTime"] > datetime.datetime.now(datetime.timezone.utc)
    held = refused("ConflictException", bedrock.delete_provisioned_model_throughput, provisionedModelId=committed["provisionedModelArn"])
    assert held["ResponseMetadata"]["HTTPStatusCode"] == 400, held
    quota = {"accounts": [{"accountId": "123456789012", "modelUnitQuota": 0}]}
    control("POST", "seed", quota)
    refused("ServiceQuotaExceededException", create, provisionedModelName="more", modelId=NOVA, modelUnits=1)
    quota["accounts"][0]["modelUnitQuota"] = None
    control("POST", "seed", quota)
    control("PUT", "switches", {"commitmentEnd": "Ends"})
    control("POST", "clock", {"advanceSeconds": 31 * 24 * 3600})
    for name in ("once", "committed"):
        bedrock.delete_provisioned_model_throughput(provisionedModelId=name)


def retries_of_boto3():
    patient = boto3.client("bedrock", config=Config(retries={"mode": "standard", "total_max_attempts": 2}))
    for fault in ({"kind": "error", "code": "ThrottlingException"}, {"kind": "droppedConnection"}, {"kind": "error", "code": "InternalServerException"}):
        control("POST", "faults", {"operation": "ListFoundationModels", "count": 1, **fault})
        answer = patient.list_foundation_models()
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1, (fault, answer)


def policies_of_boto3():
    statement = {"Effect": "Allow", "Action": ["bedrock:ListProvisionedModelThroughputs"], "Resource": "*"}
    control("PUT", "policies", {"AKIDREADER": {"Version": "2012-10-17", "Statement": [statement]}})
    reader = boto3.client("bedrock", aws_access_key_id="AKIDREADER", aws_secret_access_key="secret", config=Config(retries={"total_max_attempts": 1}))
    assert len(reader.list_provisioned_model_throughputs()["provisionedModelSummaries"]) == 3
    for name in ("chat", "nobody"):
        denied = refused("AccessDeniedException", reader.get_provisioned_model_throughput, provisionedModelId=name)
        assert denied["ResponseMetadata"]["HTTPStatusCode"] == 403, denied
        assert "bedrock:GetProvisionedModelThroughput on resource: arn:aws:bedrock:" in denied["Error"]["Message"], denied
    control("PUT", "policies", {"AKIDREADER": None})
    assert reader.get_provisioned_model_throughput(provisionedModelId="chat")["status"] == "InService"


def with_the_cli():
    listed = aws("list-provisioned-model-throughputs", "--page-size", "1")
    assert len(listed["provisionedModelSummaries"]) == 3, listed
    found = aws("list-provisioned-model-throughputs", "--name-contains", "chat", "--status-equals", "InService")
    assert [one["provisionedModelName"] for one in found["provisionedModelSummaries"]] == ["chat"], found
    created = aws("create-provisioned-model-throughput", "--provisioned-model-name", "cli", "--model-id", NOVA, "--model-units", "1")
    arn = created["provisionedModelArn"]
    wait_until("InService", arn)
    aws("update-provisioned-model-throughput", "--provisioned-model-id", arn, "--desired-provisioned-model-name", "cli-2")
    assert aws("get-provisioned-model-throughput", "--provisioned-model-id", "cli-2")["provisionedModelArn"] == arn
    aws("tag-resource", "--resource-arn", arn, "--tags", "key=a,value=b")
    assert aws("list-tags-for-resource", "--resource-arn", arn)["tags"] == [{"key": "a", "value": "b"}]
    said = aws("update-provisioned-model-throughput", "--provisioned-model-id", arn, "--desired-model-id", V2, code=255)
    assert "ValidationException" in said and "base model" in said, said
    aws("untag-resource", "--resource-arn", arn, "--tag-keys", "a")
    assert aws("list-tags-for-resource", "--resource-arn", arn)["tags"] == []
    aws("delete-provisioned-model-throughput", "--provisioned-model-id", "cli-2")
    assert aws("get-custom-model", "--model-identifier", "summarizer-v2")["modelArn"] == V2
    assert len(aws("list-custom-models", "--base-model-arn-equals", NOVA_ARN)["modelSummaries"]) == 2
    assert aws("get-foundation-model", "--model-identifier", NOVA)["modelDetails"]["modelArn"] == NOVA_ARN
    assert len(aws("list-foundation-models", "--by-provider", "amazon")["modelSummaries"]) == 2


filters_of_boto3()
policies_of_boto3()
with_boto3()
with_the_cli()
refusals_of_boto3()
retries_of_boto3()
calls = control("GET", "calls")["calls"]
assert [call["sequence"] for call in calls] == list(range(1, len(calls) + 1))
operations = {call["operation"] for call in calls}
assert len(operations) == 12, operations
print(f"{len(calls)} calls of boto3 {boto3.__version__} and the AWS CLI")
