"""Calls that preflight makes: networks, certificates, names, quotas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from .session import Session

_ANYWHERE = "0.0.0.0/0"
_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "VpcPeeringConnectionId",
    "CarrierGatewayId",
    "LocalGatewayId",
    "EgressOnlyInternetGatewayId",
    "CoreNetworkArn",
)
"""Keys of a route that hold its target; a route has one of them."""


class Subnet(Struct, frozen=True):
    """A subnet: its VPC, its availability zone, and the number of its free addresses."""

    id: str
    vpc: str
    zone: str
    free: int


class Account(Protocol):
    """Networks, names and quotas of the account; every method raises AwsError."""

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        """EC2 DescribeSubnets; subnets that do not exist are omitted."""

    def default_routes(self, vpc: str) -> Mapping[str, str]:
        """EC2 DescribeRouteTables: subnet -> target of its default route (``igw-…``, ``nat-…``,
        empty for none). The empty key is the main route table, which applies to all other subnets
        of the VPC."""

    def zones(self) -> Sequence[str]:
        """EC2 DescribeAvailabilityZones: names of the zones of the Region that the account can use,
        opted-in local zones included, sorted."""

    def certificate(self, arn: str) -> str | None:
        """ACM DescribeCertificate: ISSUED, PENDING_VALIDATION, EXPIRED …; None where it does not
        exist."""

    def namespaces(self) -> Mapping[str, str]:
        """Cloud Map ListNamespaces, all pages: id -> name."""

    def quota(self, service: str, code: str) -> float | None:
        """Service Quotas GetServiceQuota; None where the Region has no such quota."""

    def unreserved_concurrency(self) -> int:
        """Lambda GetAccountSettings: concurrent executions that no function has reserved."""

    def role_exists(self, name: str) -> bool:
        """IAM GetRole: whether the role exists."""

    def bucket_exists(self, name: str) -> bool:
        """S3 HeadBucket: whether a bucket of the name exists in any account that lets us see it."""

    def held_by(self, type_: str, name: str) -> str | None:
        """The primary identifier in CloudFormation of the table, database, log group, queue,
        stream, role, function or SSM parameter that holds a name; None where the name is
        available, or the type is another one.

        DynamoDB DescribeTable, RDS DescribeDBInstances and DescribeDBClusters, Logs
        DescribeLogStreams, SQS GetQueueUrl, Kinesis DescribeStreamSummary, IAM GetRole, Lambda
        GetFunctionConfiguration, SSM ListTagsForResource (which, unlike GetParameter, returns no
        value).
        """


class AccountCalls(Session):
    """`Account` by botocore."""

    def subnets(self, ids: Sequence[str]) -> list[Subnet]:
        """Call DescribeSubnets with a filter: with SubnetIds, one missing subnet fails the call."""
        filters: Any = [{"Name": "subnet-id", "Values": list(ids)}]
        subnets = self._pages("ec2", "describe_subnets", "Subnets", Filters=filters)
        return [
            Subnet(
                subnet["SubnetId"],
                subnet["VpcId"],
                subnet["AvailabilityZone"],
                subnet["AvailableIpAddressCount"],
            )
            for subnet in subnets
        ]

    def default_routes(self, vpc: str) -> Mapping[str, str]:
        """Call DescribeRouteTables for the VPC, and take each default route."""
        filters: Any = [{"Name": "vpc-id", "Values": [vpc]}]
        targets: dict[str, str] = {}
        for table in self._pages("ec2", "describe_route_tables", "RouteTables", Filters=filters):
            target = _default_target(table.get("Routes") or ())
            for association in table.get("Associations") or ():
                targets["" if association.get("Main") else association.get("SubnetId", "")] = target
        return targets

    def zones(self) -> Sequence[str]:
        """Call DescribeAvailabilityZones, which omits zones that the account did not opt in to.

        Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
        """
        answer = self._call("ec2", "describe_availability_zones")
        return sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"])

    def certificate(self, arn: str) -> str | None:
        """Call DescribeCertificate; ResourceNotFoundException gives None."""
        answer = self._find(
            "ResourceNotFoundException", "acm", "describe_certificate", CertificateArn=arn
        )
        return None if answer is None else str(answer["Certificate"]["Status"])

    def namespaces(self) -> Mapping[str, str]:
        """Call ListNamespaces for all pages."""
        namespaces = self._pages("servicediscovery", "list_namespaces", "Namespaces")
        return {namespace["Id"]: namespace["Name"] for namespace in namespaces}

    def quota(self, service: str, code: str) -> float | None:
        """Call GetServiceQuota; NoSuchResourceException gives None."""
        arguments = {"ServiceCode": service, "QuotaCode": code}
        answer = self._find(
            "NoSuchResourceException", "service-quotas", "get_service_quota", **arguments
        )
        return None if answer is None else float(answer["Quota"]["Value"])

    def unreserved_concurrency(self) -> int:
        """Call GetAccountSettings, and take UnreservedConcurrentExecutions."""
        return int(
            self._call("lambda", "get_account_settings")["AccountLimit"][
                "UnreservedConcurrentExecutions"
            ]
        )

    def role_exists(self, name: str) -> bool:
        """Call GetRole; NoSuchEntity gives False."""
        return self._find("NoSuchEntity", "iam", "get_role", RoleName=name) is not None

    def bucket_exists(self, name: str) -> bool:
        """Call HeadBucket; only 404 gives False."""
        return self._find("404", "s3", "head_bucket", Bucket=name) is not None

    def held_by(self, type_: str, name: str) -> str | None:
        """Make the call of the type that describes one resource by its name."""
        answer: Any = None
        arguments: Any
        if type_ == "AWS::SQS::Queue":
            answer = self._find(
                "AWS.SimpleQueueService.NonExistentQueue", "sqs", "get_queue_url", QueueName=name
            )
            return str(answer["QueueUrl"]) if answer else None
        if type_ == "AWS::RDS::DBInstance":
            answer = self._find(
                "DBInstanceNotFound", "rds", "describe_db_instances", DBInstanceIdentifier=name
            )
            return (
                str(answer["DBInstances"][0]["DBInstanceIdentifier"]) if answer else None
            )  # in lower case
        if type_ == "AWS::RDS::DBCluster":
            answer = self._find(
                "DBClusterNotFoundFault", "rds", "describe_db_clusters", DBClusterIdentifier=name
            )
            return str(answer["DBClusters"][0]["DBClusterIdentifier"]) if answer else None
        if type_ in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            answer = self._find(
                "ResourceNotFoundException", "dynamodb", "describe_table", TableName=name
            )
        elif type_ == "AWS::IAM::Role":
            answer = self._find("NoSuchEntity", "iam", "get_role", RoleName=name)
        elif type_ == "AWS::Lambda::Function":
            arguments = {"FunctionName": name}
            answer = self._find(
                "ResourceNotFoundException", "lambda", "get_function_configuration", **arguments
            )
        elif type_ == "AWS::Kinesis::Stream":
            answer = self._find(
                "ResourceNotFoundException", "kinesis", "describe_stream_summary", StreamName=name
            )
        elif type_ == "AWS::Logs::LogGroup":
            # IAM allows DescribeLogGroups for all groups or none, DescribeLogStreams for one.
            arguments = {"logGroupName": name, "limit": 1}
            answer = self._find(
                "ResourceNotFoundException", "logs", "describe_log_streams", **arguments
            )
        elif type_ == "AWS::SSM::Parameter":
            arguments = {"ResourceType": "Parameter", "ResourceId": name}
            answer = self._find("InvalidResourceId", "ssm", "list_tags_for_resource", **arguments)
        return None if answer is None else name


def _default_target(routes: Sequence[Mapping[str, Any]]) -> str:
    """The target of the default route; empty where there is none, or its target was deleted."""
    for route in routes:
        if route.get("DestinationCidrBlock") == _ANYWHERE and route.get("State") != "blackhole":
            return next((str(route[key]) for key in _TARGETS if route.get(key)), "")
    return ""
