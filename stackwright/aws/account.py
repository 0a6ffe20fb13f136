"""Calls to what is looked at before a deployment: networks, certificates, names, quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from .session import Session

_ANYWHERE = "0.0.0.0/0"
_TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId", "VpcPeeringConnectionId",
    "CarrierGatewayId", "LocalGatewayId", "EgressOnlyInternetGatewayId", "CoreNetworkArn",
)  # fmt: skip


class Subnet(Struct, frozen=True):
    """A subnet: its VPC, its availability zone, and how many addresses are free."""

    id: str
    vpc: str
    zone: str
    free: int


class Account(Protocol):
    """What the account holds and allows; every method raises AwsError."""

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        """EC2 DescribeSubnets; those that do not exist are left out."""

    def default_routes(self, vpc: str) -> Mapping[str, str]:
        """EC2 DescribeRouteTables: where packets to the internet go (``igw-…``, ``nat-…``, empty:
        nowhere) by subnet; the empty key is the main route table's, for subnets without one of
        their own."""

    def certificate(self, arn: str) -> str | None:
        """ACM DescribeCertificate: ISSUED, PENDING_VALIDATION, EXPIRED …; None where there is
        none."""

    def namespaces(self) -> Mapping[str, str]:
        """Cloud Map ListNamespaces, all pages: id -> name."""

    def quota(self, service: str, code: str) -> float | None:
        """Service Quotas GetServiceQuota; None where the Region has no such quota."""

    def unreserved_concurrency(self) -> int:
        """Lambda GetAccountSettings: concurrent executions that no function has reserved."""

    def role_exists(self, name: str) -> bool:
        """IAM GetRole."""

    def bucket_exists(self, name: str) -> bool:
        """S3 HeadBucket; also for one of another account, whose name is taken."""

    def held_by(self, type_: str, name: str) -> str | None:
        """What has a name that a template gives a table, database, log group, queue, stream or SSM
        parameter: its primary identifier in CloudFormation; None where the name is free, or not of
        these types. DynamoDB DescribeTable, RDS DescribeDBInstances and DescribeDBClusters, Logs
        DescribeLogStreams, SQS GetQueueUrl, Kinesis DescribeStreamSummary, SSM ListTagsForResource
        (which, unlike GetParameter, hands out no value)."""


class AccountCalls(Session):
    """`Account` by botocore."""

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        """See `Account`."""
        # A filter, not SubnetIds: that refuses all where one is missing.
        wanted: Any = [{"Name": "subnet-id", "Values": list(ids)}]
        found = self._pages("ec2", "describe_subnets", "Subnets", Filters=wanted)
        return [
            Subnet(
                each["SubnetId"],
                each["VpcId"],
                each["AvailabilityZone"],
                each["AvailableIpAddressCount"],
            )
            for each in found
        ]

    def default_routes(self, vpc: str) -> Mapping[str, str]:
        """See `Account`."""
        wanted: Any = [{"Name": "vpc-id", "Values": [vpc]}]
        found: dict[str, str] = {}
        for table in self._pages("ec2", "describe_route_tables", "RouteTables", Filters=wanted):
            target = _way_out(table.get("Routes") or ())
            for association in table.get("Associations") or ():
                found["" if association.get("Main") else association.get("SubnetId", "")] = target
        return found

    def certificate(self, arn: str) -> str | None:
        """See `Account`."""
        answer = self._find(
            "ResourceNotFoundException", "acm", "describe_certificate", CertificateArn=arn
        )
        return None if answer is None else str(answer["Certificate"]["Status"])

    def namespaces(self) -> Mapping[str, str]:
        """See `Account`."""
        found = self._pages("servicediscovery", "list_namespaces", "Namespaces")
        return {each["Id"]: each["Name"] for each in found}

    def quota(self, service: str, code: str) -> float | None:
        """See `Account`."""
        arguments = {"ServiceCode": service, "QuotaCode": code}
        answer = self._find(
            "NoSuchResourceException", "service-quotas", "get_service_quota", **arguments
        )
        return None if answer is None else float(answer["Quota"]["Value"])

    def unreserved_concurrency(self) -> int:
        """See `Account`."""
        return int(
            self._call("lambda", "get_account_settings")["AccountLimit"][
                "UnreservedConcurrentExecutions"
            ]
        )

    def role_exists(self, name: str) -> bool:
        """See `Account`."""
        return self._find("NoSuchEntity", "iam", "get_role", RoleName=name) is not None

    def bucket_exists(self, name: str) -> bool:
        """See `Account`."""
        return self._find("404", "s3", "head_bucket", Bucket=name) is not None

    def held_by(self, type_: str, name: str) -> str | None:
        """See `Account`."""
        found: Any = None
        if type_ == "AWS::SQS::Queue":
            found = self._find(
                "AWS.SimpleQueueService.NonExistentQueue", "sqs", "get_queue_url", QueueName=name
            )
            return str(found["QueueUrl"]) if found else None
        if type_ == "AWS::RDS::DBInstance":
            found = self._find(
                "DBInstanceNotFound", "rds", "describe_db_instances", DBInstanceIdentifier=name
            )
            return (
                str(found["DBInstances"][0]["DBInstanceIdentifier"]) if found else None
            )  # in lower case
        if type_ == "AWS::RDS::DBCluster":
            found = self._find(
                "DBClusterNotFoundFault", "rds", "describe_db_clusters", DBClusterIdentifier=name
            )
            return str(found["DBClusters"][0]["DBClusterIdentifier"]) if found else None
        if type_ in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            found = self._find(
                "ResourceNotFoundException", "dynamodb", "describe_table", TableName=name
            )
        elif type_ == "AWS::Kinesis::Stream":
            found = self._find(
                "ResourceNotFoundException", "kinesis", "describe_stream_summary", StreamName=name
            )
        elif type_ == "AWS::Logs::LogGroup":
            # Not DescribeLogGroups, which IAM allows for all groups or none.
            asked: Any = {"logGroupName": name, "limit": 1}
            found = self._find("ResourceNotFoundException", "logs", "describe_log_streams", **asked)
        elif type_ == "AWS::SSM::Parameter":
            which = {"ResourceType": "Parameter", "ResourceId": name}
            found = self._find("InvalidResourceId", "ssm", "list_tags_for_resource", **which)
        return None if found is None else name


def _way_out(routes: Sequence[Mapping[str, Any]]) -> str:
    """The target of the default route; empty where there is none, or where it leads to what was
    deleted."""
    for route in routes:
        if route.get("DestinationCidrBlock") == _ANYWHERE and route.get("State") != "blackhole":
            return next((str(route[key]) for key in _TARGETS if route.get(key)), "")
    return ""
