"""What is looked at before a deployment: quotas, limits, certificates, roles; and actions that
nobody implements."""

import pytest
from botocore.exceptions import ClientError

from stackwright.emulator.server.server import Server
from tests.support.clients import Clients


@pytest.fixture
def client():
    with Server() as server, Clients(server.url) as clients:
        yield clients


def test_quotas(client):
    quotas, fargate = (
        client("service-quotas"),
        {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"},
    )
    assert quotas.get_service_quota(**fargate)["Quota"]["Value"] == 1000
    default = quotas.get_aws_default_service_quota(**fargate)["Quota"]
    assert (default["Value"], default["QuotaName"]) == (6, "Fargate On-Demand vCPU resource count")
    assert [
        quota["QuotaCode"] for quota in quotas.list_service_quotas(ServiceCode="vpc")["Quotas"]
    ] != []
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="fargate", QuotaCode="L-00000000")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        quotas.list_service_quotas(ServiceCode="nothing")


def test_reserved_concurrency_reduces_unreserved(client):
    functions, role = client("lambda"), "arn:aws:iam::123456789012:role/r"
    client("iam").create_role(
        RoleName="r", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}'
    )
    assert (
        functions.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 1000
    )
    functions.create_function(
        FunctionName="f", Runtime="python3.13", Role=role, Handler="m.f", Code={"ZipFile": b"PK"}
    )
    functions.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=100)
    settings = functions.get_account_settings()
    assert settings["AccountLimit"]["UnreservedConcurrentExecutions"] == 900
    assert settings["AccountUsage"]["FunctionCount"] == 1


def test_unexpected_bucket_owner_is_refused(client):
    s3 = client("s3")
    s3.create_bucket(Bucket="mine")
    s3.put_object(Bucket="mine", Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
    for call in (s3.head_object, s3.get_object):
        with pytest.raises(ClientError) as caught:
            call(Bucket="mine", Key="k", ExpectedBucketOwner="777788889999")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_certificates_are_issued_and_linked_roles_named_as_in_aws(client):
    arn = client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    assert (
        client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"
    )
    client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert (
        client("iam").get_role(RoleName="AWSServiceRoleForECS")["Role"]["Path"]
        == "/aws-service-role/ecs.amazonaws.com/"
    )


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        (
            "ecs",
            "list_service_deployments",
            {"service": "s", "cluster": "none"},
            "ClusterNotFoundException",
        ),
        (
            "ecs",
            "describe_service_revisions",
            {"serviceRevisionArns": ["a"]},
            "UnknownOperationException",
        ),
        (
            "iam",
            "generate_service_last_accessed_details",
            {"Arn": "arn:aws:iam::1:role/r-23456789012"},
            "InvalidAction",
        ),
    ],
)
def test_unknown_action_is_a_service_error(client, service, operation, arguments, code):
    with pytest.raises(ClientError) as caught:
        getattr(client(service), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
