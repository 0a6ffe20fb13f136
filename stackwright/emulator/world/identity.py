"""Physical ids and attributes in AWS's shapes, from seeded random numbers.

The shapes of the types below are those of the user guide's "Return values". Every other type gets
an id from its schema's primary identifier: the given name, or one of stack name, logical id and
twelve random characters.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from random import Random
from typing import Any

from msgspec import Struct

from ...cfn import Pseudo, ResourceType, template_to_text

_HEX = "0123456789abcdef"
_ALPHANUMERIC = string.ascii_letters + string.digits
_UPPER = string.ascii_uppercase + string.digits


class Identity(Struct, frozen=True):
    """A physical id (the value of ``Ref``) and the attributes that ``Fn::GetAtt`` gives besides
    the properties."""

    id: str
    attributes: Mapping[str, Any]


_ARN = "arn:{partition}:{service}:{region}:{account}:"
_SHAPES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "AWS::S3::Bucket": (
        "{BucketName|lower}",
        {
            "Arn": "arn:{partition}:s3:::{id}",
            "DomainName": "{id}.s3.{suffix}",
            "RegionalDomainName": "{id}.s3.{region}.{suffix}",
        },
    ),
    "AWS::SNS::Topic": (_ARN + "{TopicName}", {"TopicArn": "{id}", "TopicName": "{TopicName}"}),
    "AWS::SNS::Subscription": (_ARN + "topic:{uuid}", {}),
    "AWS::SQS::Queue": (
        "https://sqs.{region}.{suffix}/{account}/{QueueName}",
        {"Arn": _ARN + "{QueueName}", "QueueName": "{QueueName}", "QueueUrl": "{id}"},
    ),
    "AWS::SSM::Parameter": ("{Name:CFN}", {}),
    "AWS::EC2::VPC": ("vpc-{hex17}", {"VpcId": "{id}", "DefaultSecurityGroup": "sg-{hex17}"}),
    "AWS::EC2::Subnet": (
        "subnet-{hex17}",
        {"SubnetId": "{id}", "NetworkAclAssociationId": "aclassoc-{hex17}"},
    ),
    "AWS::EC2::RouteTable": ("rtb-{hex17}", {"RouteTableId": "{id}"}),
    "AWS::EC2::SubnetRouteTableAssociation": ("rtbassoc-{hex17}", {"Id": "{id}"}),
    "AWS::EC2::Route": (
        "{RouteTableId}|{DestinationCidrBlock}",
        {"CidrBlock": "{DestinationCidrBlock}"},
    ),
    "AWS::EC2::InternetGateway": ("igw-{hex17}", {"InternetGatewayId": "{id}"}),
    "AWS::EC2::VPCGatewayAttachment": ("IGW|{VpcId}", {"AttachmentType": "IGW"}),
    "AWS::EC2::NatGateway": ("nat-{hex17}", {"NatGatewayId": "{id}"}),
    "AWS::EC2::EIP": ("203.0.113.{byte}", {"AllocationId": "eipalloc-{hex17}", "PublicIp": "{id}"}),
    "AWS::EC2::VPCEndpoint": ("vpce-{hex17}", {"Id": "{id}"}),
    "AWS::EC2::SecurityGroup": ("sg-{hex17}", {"GroupId": "{id}", "Id": "{id}"}),
    "AWS::EC2::SecurityGroupIngress": ("sgr-{hex17}", {"Id": "{id}"}),
    "AWS::EC2::SecurityGroupEgress": ("sgr-{hex17}", {"Id": "{id}"}),
    "AWS::EC2::Instance": ("i-{hex17}", {"InstanceId": "{id}", "PrivateIp": "10.0.0.{byte}"}),
    "AWS::ECS::Cluster": ("{ClusterName}", {"Arn": _ARN + "cluster/{id}"}),
    "AWS::ECS::Service": (
        _ARN + "service/{Cluster|last}/{ServiceName}",
        {"ServiceArn": "{id}", "Name": "{ServiceName}"},
    ),
    "AWS::ECS::TaskDefinition": (
        _ARN + "task-definition/{Family}:{serial}",
        {"TaskDefinitionArn": "{id}"},
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        _ARN + "loadbalancer/app/{Name|short}/{hex16}",
        {
            "LoadBalancerArn": "{id}",
            "LoadBalancerFullName": "{id|app}",
            "LoadBalancerName": "{Name|short}",
            "DNSName": "{Name|short}-{digits}.{region}.elb.{suffix}",
            "CanonicalHostedZoneID": "Z{upper13}",
        },
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        _ARN + "targetgroup/{Name|short}/{hex16}",
        {
            "TargetGroupArn": "{id}",
            "TargetGroupFullName": "{id|resource}",
            "TargetGroupName": "{Name|short}",
        },
    ),
    "AWS::ElasticLoadBalancingV2::Listener": (
        "{LoadBalancerArn|listener}/{hex16}",
        {"ListenerArn": "{id}"},
    ),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": (
        "ns-{lower16}",
        {"Id": "{id}", "Arn": _ARN + "namespace/{id}", "HostedZoneId": "Z{upper20}"},
    ),
    "AWS::ServiceDiscovery::Service": (
        "srv-{lower16}",
        {"Id": "{id}", "Arn": _ARN + "service/{id}", "Name": "{Name}"},
    ),
    "AWS::EFS::FileSystem": (
        "fs-{hex17}",
        {"FileSystemId": "{id}", "Arn": _ARN + "file-system/{id}"},
    ),
    "AWS::EFS::AccessPoint": (
        "fsap-{hex17}",
        {"AccessPointId": "{id}", "Arn": _ARN + "access-point/{id}"},
    ),
    "AWS::EFS::MountTarget": ("fsmt-{hex17}", {"Id": "{id}", "IpAddress": "10.0.0.{byte}"}),
    "AWS::IAM::Role": (
        "{RoleName}",
        {"Arn": "arn:{partition}:iam::{account}:role/{id}", "RoleId": "AROA{upper17}"},
    ),
    "AWS::IAM::ManagedPolicy": (
        "arn:{partition}:iam::{account}:policy/{ManagedPolicyName}",
        {"PolicyArn": "{id}"},
    ),
    "AWS::Lambda::Function": ("{FunctionName}", {"Arn": _ARN + "function:{id}"}),
    "AWS::Events::Rule": ("{Name}", {"Arn": _ARN + "rule/{id}"}),
    "AWS::Logs::LogGroup": ("{LogGroupName}", {"Arn": _ARN + "log-group:{id}:*"}),
    "AWS::CloudWatch::Alarm": ("{AlarmName}", {"Arn": _ARN + "alarm:{id}"}),
    "AWS::SecretsManager::Secret": (_ARN + "secret:{Name}-{alnum6}", {"Id": "{id}"}),
    "AWS::ECR::Repository": (
        "{RepositoryName|lower}",
        {
            "Arn": _ARN + "repository/{id}",
            "RepositoryUri": "{account}.dkr.ecr.{region}.{suffix}/{id}",
        },
    ),
    "AWS::KMS::Key": ("{uuid}", {"KeyId": "{id}", "Arn": _ARN + "key/{id}"}),
    "AWS::DynamoDB::Table": ("{TableName}", {"Arn": _ARN + "table/{id}"}),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (
        _ARN + "scalingPolicy:{uuid}:policyName/{PolicyName}",
        {"Arn": "{id}"},
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "{ResourceId}|{ScalableDimension}|{ServiceNamespace}",
        {"Id": "{id}"},
    ),
}
# Types whose ARNs name another service than the type does.
_SERVICES = {
    "elasticloadbalancingv2": "elasticloadbalancing",
    "efs": "elasticfilesystem",
    "applicationautoscaling": "autoscaling",
}


class Identities:
    """Makes identities; equal seeds and calls give equal identities."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - ids, not secrets
        self._serial: dict[str, int] = {}

    def make(
        self,
        resource_type: ResourceType,
        logical_id: str,
        properties: Mapping[str, Any],
        pseudo: Pseudo,
    ) -> Identity:
        """A new identity for a resource with these resolved properties."""
        shape, attributes = _SHAPES.get(resource_type.name, ("", {}))
        fill = _Filler(self, resource_type, logical_id, properties, pseudo)
        if not shape:
            return self._by_schema(resource_type, fill)
        fill.id = fill.text(shape)
        return Identity(fill.id, {name: fill.text(value) for name, value in attributes.items()})

    def _by_schema(self, resource_type: ResourceType, fill: _Filler) -> Identity:
        parts, attributes = [], {}
        for path in resource_type.primary_identifier or (("Id",),):
            name = str(path[-1])
            if path in resource_type.read_only:
                value = fill.read_only(name)
                attributes[".".join(map(str, path))] = value
                parts.append(value)
            else:
                parts.append(fill.name(name))
        fill.id = "|".join(parts)
        for path in resource_type.read_only:
            attributes.setdefault(".".join(map(str, path)), fill.read_only(str(path[-1])))
        return Identity(fill.id, attributes)

    def serial(self, family: str) -> int:
        """The next number (1, 2, 3 …) of a family of task definitions."""
        self._serial[family] = self._serial.get(family, 0) + 1
        return self._serial[family]

    def characters(self, alphabet: str, count: int) -> str:
        """Random characters."""
        return "".join(self._random.choices(alphabet, k=count))

    def uuid(self) -> str:
        """A random UUID."""
        text = self.characters(_HEX, 32)
        return "-".join((text[:8], text[8:12], f"4{text[13:16]}", f"a{text[17:20]}", text[20:]))


class _Filler:
    """Fills one shape: ``{Property}`` becomes that property or a generated name, ``{hex17}``
    random characters."""

    def __init__(
        self,
        identities: Identities,
        resource_type: ResourceType,
        logical_id: str,
        properties: Mapping[str, Any],
        pseudo: Pseudo,
    ) -> None:
        service = (
            resource_type.name.split("::")[1].lower() if "::" in resource_type.name else "custom"
        )
        self._made, self._logical_id, self._properties, self._pseudo = (
            identities,
            logical_id,
            properties,
            pseudo,
        )
        self._service = _SERVICES.get(service, service)
        self._names: dict[str, str] = {}
        self.id = ""

    def text(self, shape: str) -> str:
        text, rest = "", shape
        while "{" in rest:
            before, _, rest = rest.partition("{")
            field, _, rest = rest.partition("}")
            text += before + self._field(field)
        return text + rest

    def _field(self, field: str) -> str:
        name, _, filter_ = field.partition("|")
        value = self._value(name)
        match filter_:
            case "lower":
                return value.lower()
            case "short":
                return value[:32].strip("-")
            case "last":
                return value.rpartition("/")[2]
            case "app":
                return value.partition("loadbalancer/")[2]
            case "resource":
                return value.rpartition(":")[2]
            case "listener":
                return value.replace(":loadbalancer/", ":listener/")
        return value

    def _value(self, name: str) -> str:
        pseudo = self._pseudo
        fixed = {
            "id": self.id,
            "region": pseudo.region,
            "account": pseudo.account_id,
            "partition": pseudo.partition,
            "suffix": pseudo.url_suffix,
            "service": self._service,
        }
        if name in fixed:
            return fixed[name]
        for prefix, alphabet in _ALPHABETS.items():
            count = name.removeprefix(prefix)
            if name.startswith(prefix) and count.isdigit():
                return self._made.characters(alphabet, int(count))
        match name:
            case "uuid":
                return self._made.uuid()
            case "byte":
                return str(1 + int(self._made.characters(_HEX, 2), 16) % 254)
            case "digits":
                return self._made.characters(string.digits, 10)
            case "serial":
                return str(self._made.serial(self.name("Family")))
        name, _, style = name.partition(":")
        return self.name(name, style)

    def name(self, name: str, style: str = "") -> str:
        """The given property, or ``<stack>-<logical id>-<random>``, as CloudFormation names
        resources."""
        if self._properties.get(name) not in (None, ""):
            return template_to_text(self._properties[name])
        if name not in self._names:
            prefix = style or self._pseudo.stack_name
            self._names[name] = (
                f"{prefix}-{self._logical_id}-{self._made.characters(_ALPHANUMERIC, 12)}"
            )
        return self._names[name]

    def read_only(self, name: str) -> str:
        if name.endswith("Arn"):
            kind = name.removesuffix("Arn").lower() or "resource"
            return (
                self.text(_ARN)
                + f"{kind}/{self._logical_id}-{self._made.characters(_ALPHANUMERIC, 12)}"
            )
        return f"{self._logical_id}-{self._made.characters(_HEX, 17)}"


_ALPHABETS = {
    "hex": _HEX,
    "lower": string.ascii_lowercase + string.digits,
    "upper": _UPPER,
    "alnum": _ALPHANUMERIC,
}
