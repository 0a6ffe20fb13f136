"""Resources that also exist in moto, so that every client sees what a stack made.

Each type below is made, changed and deleted through its service's own API, answered by moto in the
same process. Properties become arguments by the shapes of botocore's model (names differ by case
only, numbers may be text). What moto does not implement is left out; what the service refuses fails
the resource with the service's reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from werkzeug.test import Client

from ..cfn import Pseudo, template_to_text
from . import steps
from .identity import Identities, Identity
from .moto_application import MotoApplication, read, session
from .resources import Refused, Request, SchemaProvider

Arguments = dict[str, Any]
Found = Mapping[str, Any]
MirrorStep = Callable[["MotoServices", Identity, Found], None]


@dataclass(frozen=True)
class Mirror:
    """How one type lives in its service. ``arguments`` adds to the properties; ``id`` and
    ``attributes`` read the answer of ``create`` (dotted paths), or what ``answer`` makes of it;
    ``delete`` and ``update`` take the arguments that ``key`` makes. Further steps come ``after``
    creation and update, after an update only (``updated``), or ``before_delete``."""

    service: str
    create: str
    key: Callable[[Identity, Found], Arguments] = lambda _i, _p: {}
    arguments: Callable[[Identity, Found], Arguments] = lambda _i, _p: {}
    id: str | None = None
    attributes: Mapping[str, str] | None = None
    delete: str | None = None
    update: str | None = None
    after: tuple[MirrorStep, ...] = ()
    updated: tuple[MirrorStep, ...] = ()
    before_delete: tuple[MirrorStep, ...] = ()
    answer: Callable[[MotoServices, Found], Found] = lambda _s, answer: answer


class MotoServices:
    """Clients of moto's services in this process; those that were made are kept in ``clients``."""

    def __init__(
        self,
        application: Callable[[], MotoApplication],
        pseudo: Pseudo,
        clients: dict[str, Any] | None = None,
    ) -> None:
        self._application, self._pseudo = application, pseudo
        self._clients: dict[str, Any] = {} if clients is None else clients
        self.inline: dict[tuple[str, str], list[Arguments]] = {}
        """The inline rules of security groups by group id and direction, as EC2 was given them."""

    @cached_property
    def _http(self) -> Client:
        return Client(self._application())

    def load(self, service: str) -> None:
        """Make ready what the first call of a service would make; its state stays as it is."""
        self._application().load(
            self.client(service).meta.service_model.signing_name, self._pseudo.region
        )

    @staticmethod
    def read(service: str) -> None:
        """Read what :meth:`load` needs, which takes most of its time and disturbs nobody."""
        model = session().get_service_model(service)
        read(service, model.signing_name)

    def client(self, service: str) -> Any:
        """The client of a service; its requests never leave the process."""
        if service not in self._clients:
            made = session().create_client(
                service,
                region_name=self._pseudo.region,
                endpoint_url="http://127.0.0.1",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            made.meta.events.register("before-send", self._answer)  # type: ignore[arg-type]
            self._clients[service] = made
        return self._clients[service]

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        path = request.url.partition("127.0.0.1")[2] or "/"
        headers = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in request.headers.items()
        }
        headers["x-moto-account-id"] = self._pseudo.account_id
        try:
            found = self._http.open(
                path, method=request.method, headers=headers, data=request.body or b""
            )
            status, body, received = found.status_code, found.get_data(), dict(found.headers)
        except (
            Exception
        ):  # moto lacks it; botocore reads an answer without a body as a 5xx, whatever the protocol
            status, body, received = 501, b"", {}
        raw = BytesIO(body)
        raw.stream = lambda **_arguments: iter([body])  # type: ignore[attr-defined]
        answered: Any = received
        return AWSResponse(request.url, status, answered, raw)

    def call(self, service: str, operation: str, arguments: Mapping[str, Any]) -> Found:
        """Call an operation with those of the arguments that it takes; nothing where moto does not
        know it.

        Raises:
            Refused: the service refuses.
        """
        client = self.client(service)
        model = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[operation]
        )
        given = shaped(model.input_shape, arguments) if model.input_shape else {}
        try:
            answer: Found = getattr(client, operation)(**given)
        except ParamValidationError as error:
            raise Refused(str(error)) from None
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                return {}
            raise Refused(_reason(service, error)) from None
        return answer


def _reason(service: str, error: ClientError) -> str:
    """As CloudFormation's resource handlers report a service's error."""
    found = error.response["Error"]
    code = found.get("Code", "")
    kind = (
        "AlreadyExists"
        if "Exist" in code and "Not" not in code
        else "NotFound"
        if "Not" in code
        else "InvalidRequest"
    )
    text = f"{found.get('Message', '')} (Service: {service.title()}, Status Code: 400)"
    return f'Resource handler returned message: "{text}" (HandlerErrorCode: {kind})'


def shaped(shape: Any, value: Any) -> Any:
    """A property tree as arguments of the shape: member names by case, scalars by type, the rest
    left out."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        found = {}
        for key, item in value.items():
            if item is not None and key.lower() in members:
                name, member = members[key.lower()]
                found[name] = shaped(member, item)
        return found
    if shape.type_name == "list" and isinstance(value, list):
        return [shaped(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, list):  # tags, as some services take them
        value = {
            item["Key"]: item.get("Value", "")
            for item in value
            if isinstance(item, Mapping) and "Key" in item
        }
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: shaped(shape.value, item) for key, item in value.items()}
    if shape.type_name == "string":
        return json.dumps(value) if isinstance(value, dict | list) else template_to_text(value)
    if shape.type_name in ("integer", "long"):
        return int(template_to_text(value))
    if shape.type_name in ("double", "float"):
        return float(template_to_text(value))
    return template_to_text(value) == "true" if shape.type_name == "boolean" else value


class StoredParameters(Mapping[str, str]):
    """The parameters in moto's Parameter Store by name, read when they are asked for."""

    def __init__(self, services: MotoServices) -> None:
        self._services = services

    def __getitem__(self, name: str) -> str:
        try:
            answer = self._services.call(
                "ssm", "get_parameter", {"Name": name, "WithDecryption": True}
            )
        except Refused:
            raise KeyError(name) from None
        value: Any = _at(answer, "Parameter.Value")
        if value is None:
            raise KeyError(name)
        return str(value)

    def __iter__(self) -> Iterator[str]:
        answer = self._services.call("ssm", "describe_parameters", {})
        return iter([each["Name"] for each in answer.get("Parameters", ())])

    def __len__(self) -> int:
        return len(list(iter(self)))


def looked_up(services: MotoServices, service: str, arguments: str) -> str:
    """The value of a dynamic reference.

    docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html

    Raises:
        Refused: there is no such value, in CloudFormation's words.
    """
    if service != "secretsmanager":
        value = StoredParameters(services).get(arguments)
        if value is None:
            raise Refused(
                f"Unable to fetch parameters [{arguments}] from parameter store for this account."
            )
        return value
    count = 7 if arguments.startswith("arn:") else 1
    parts = arguments.split(":")
    secret_id, rest = ":".join(parts[:count]), [*parts[count:], "", "", "", ""]
    version = {"VersionStage": rest[2] or None, "VersionId": rest[3] or None}
    answer = services.call("secretsmanager", "get_secret_value", {"SecretId": secret_id, **version})
    text = str(answer.get("SecretString", ""))
    if not rest[1]:
        return text
    try:
        return template_to_text(json.loads(text)[rest[1]])
    except (ValueError, KeyError, TypeError):
        raise Refused("Could not find a value associated with JSONKey in SecretString") from None


class MotoProvider:
    """Validates and shapes as :class:`SchemaProvider` does, then makes it in moto, whose ids
    win."""

    def __init__(self, identities: Identities, services: MotoServices) -> None:
        self._schema, self._services = SchemaProvider(identities), services

    def create(self, request: Request) -> Identity:
        identity = self._schema.create(request)
        mirror = MIRRORS.get(request.type.name)
        if mirror is None:
            return identity
        try:
            return self._made(mirror, identity, request.properties)
        except Refused:
            self._schema.delete(
                Request(request.type, request.logical_id, {}, request.pseudo, identity)
            )
            raise

    def _made(self, mirror: Mirror, identity: Identity, properties: Found) -> Identity:
        arguments = {
            **properties,
            **mirror.key(identity, properties),
            **mirror.arguments(identity, properties),
        }
        answer = mirror.answer(
            self._services, self._services.call(mirror.service, mirror.create, arguments)
        )
        id_ = _at(answer, mirror.id) if mirror.id else None
        read = {name: _at(answer, path) for name, path in (mirror.attributes or {}).items()}
        attributes = {name: value for name, value in read.items() if value is not None}
        if id_ is not None:
            old = identity.id
            shown = {k: id_ if v == old else v for k, v in identity.attributes.items()}
            identity = Identity(id_, {**shown, **attributes})
        else:
            identity = Identity(identity.id, {**identity.attributes, **attributes})
        for step in mirror.after:
            step(self._services, identity, properties)
        return identity

    def update(self, request: Request) -> Identity:
        identity = self._schema.update(request)
        mirror = MIRRORS.get(request.type.name)
        if mirror is not None and mirror.update:
            key = mirror.key(identity, request.properties)
            arguments = {
                **request.properties,
                **key,
                **mirror.arguments(identity, request.properties),
                **key,
            }
            self._services.call(mirror.service, mirror.update, arguments)
        for step in (*mirror.updated, *mirror.after) if mirror else ():
            step(self._services, identity, request.properties)
        return identity

    def delete(self, request: Request) -> None:
        mirror, identity = MIRRORS.get(request.type.name), request.identity
        if mirror is not None and mirror.delete and identity is not None:
            try:
                for step in mirror.before_delete:
                    step(self._services, identity, request.properties)
                self._services.call(
                    mirror.service, mirror.delete, mirror.key(identity, request.properties)
                )
            except Refused as error:
                if "HandlerErrorCode: NotFound" not in str(error):
                    raise
        self._schema.delete(request)


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(answer, list):
            answer = answer[int(part)] if int(part) < len(answer) else None
        else:
            answer = answer.get(part) if isinstance(answer, Mapping) else None
    return answer


def _named(argument: str) -> Callable[[Identity, Found], Arguments]:
    """The physical id under one argument's name."""
    return lambda i, _p: {argument: i.id}


def _tags(properties: Found) -> list[Any]:
    return list(properties.get("Tags", ()))


# --- what one call does not do
# ------------------------------------------------------------------------------------


def _bucket(services: MotoServices, identity: Identity, properties: Found) -> None:
    name = {"Bucket": identity.id}
    calls: Iterable[tuple[str, str, str]] = (
        ("put_bucket_versioning", "VersioningConfiguration", "VersioningConfiguration"),
        (
            "put_public_access_block",
            "PublicAccessBlockConfiguration",
            "PublicAccessBlockConfiguration",
        ),
    )
    for operation, argument, key in calls:
        if key in properties:
            services.call("s3", operation, {**name, argument: properties[key]})
    if "BucketEncryption" in properties:
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault", {})}
            for rule in properties["BucketEncryption"].get("ServerSideEncryptionConfiguration", ())
        ]
        configuration = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        services.call("s3", "put_bucket_encryption", {**name, **configuration})
    verb = "put_bucket_tagging" if _tags(properties) else "delete_bucket_tagging"
    services.call("s3", verb, {**name, "Tagging": {"TagSet": _tags(properties)}})


def _bucket_arguments(identity: Identity, _properties: Found) -> Arguments:
    region = identity.attributes["RegionalDomainName"].split(".s3.")[1].split(".")[0]
    return (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )


def _secret(_identity: Identity, properties: Found) -> Arguments:
    """The given value, or a generated one of the asked length (a placeholder where nothing is
    asked)."""
    generate = properties.get("GenerateSecretString")
    if generate is None:
        return {"SecretString": properties.get("SecretString", "{}")}
    from secrets import choice

    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    value = "".join(
        choice(alphabet) for _ in range(int(template_to_text(generate.get("PasswordLength", 32))))
    )
    if "GenerateStringKey" not in generate:
        return {"SecretString": value}
    body = json.loads(generate.get("SecretStringTemplate", "{}"))
    return {"SecretString": json.dumps({**body, generate["GenerateStringKey"]: value})}


def _name_from_arn(separator: str, argument: str) -> Callable[[Identity, Found], Arguments]:
    return lambda i, _p: {argument: i.id.rpartition(separator)[2]}


MIRRORS: Mapping[str, Mirror] = {
    "AWS::S3::Bucket": Mirror(
        "s3",
        "create_bucket",
        _named("Bucket"),
        _bucket_arguments,
        delete="delete_bucket",
        after=(_bucket,),
    ),
    "AWS::S3::BucketPolicy": Mirror(
        "s3",
        "put_bucket_policy",
        lambda _i, p: {"Bucket": p["Bucket"]},
        lambda _i, p: {"Policy": json.dumps(p["PolicyDocument"])},
        delete="delete_bucket_policy",
        update="put_bucket_policy",
    ),
    "AWS::ECR::Repository": Mirror(
        "ecr",
        "create_repository",
        _named("repositoryName"),
        attributes={"Arn": "repository.repositoryArn", "RepositoryUri": "repository.repositoryUri"},
        delete="delete_repository",
        updated=(steps.repository,),
    ),
    "AWS::SecretsManager::Secret": Mirror(
        "secretsmanager",
        "create_secret",
        lambda i, _p: {
            "SecretId": i.id,
            "ForceDeleteWithoutRecovery": True,
        },  # as CloudFormation deletes one
        lambda i, p: {"Name": i.id.rpartition(":")[2][:-7], **_secret(i, p)},
        id="ARN",
        delete="delete_secret",
        updated=(steps.secret_itself,),
    ),
    "AWS::IAM::Role": Mirror(
        "iam",
        "create_role",
        _named("RoleName"),
        attributes={"Arn": "Role.Arn", "RoleId": "Role.RoleId"},
        update="update_assume_role_policy",
        arguments=lambda _i, p: {"PolicyDocument": p["AssumeRolePolicyDocument"]},
        after=(steps.policies,),
        updated=(steps.role_itself,),
        before_delete=(steps.strip_role,),
        delete="delete_role",
    ),
    "AWS::Logs::LogGroup": Mirror(
        "logs",
        "create_log_group",
        _named("logGroupName"),
        delete="delete_log_group",
        after=(steps.retention,),
    ),
    "AWS::SNS::Topic": Mirror(
        "sns",
        "create_topic",
        lambda i, _p: {"TopicArn": i.id},
        lambda i, _p: {"Name": i.id.rpartition(":")[2]},
        delete="delete_topic",
    ),
    "AWS::ECS::Cluster": Mirror(
        "ecs",
        "create_cluster",
        lambda i, _p: {"cluster": i.id, "clusterName": i.id},
        delete="delete_cluster",
    ),
    "AWS::ECS::TaskDefinition": Mirror(
        "ecs",
        "register_task_definition",
        lambda i, _p: {"taskDefinition": i.id},
        lambda i, p: {"family": p.get("Family") or i.id.split("/")[1].split(":")[0]},
        id="taskDefinition.taskDefinitionArn",
        delete="deregister_task_definition",
    ),
    "AWS::ECS::Service": Mirror(
        "ecs",
        "create_service",
        lambda i, p: {"service": i.id, "cluster": p.get("Cluster", "default"), "force": True},
        lambda i, p: {
            "serviceName": i.id.rpartition("/")[2],
            "desiredCount": p.get("DesiredCount", 1),
        },
        id="service.serviceArn",
        attributes={"Name": "service.serviceName", "ServiceArn": "service.serviceArn"},
        delete="delete_service",
        update="update_service",
    ),
    "AWS::EC2::VPC": Mirror(
        "ec2",
        "create_vpc",
        _named("VpcId"),
        id="Vpc.VpcId",
        attributes={"VpcId": "Vpc.VpcId"},
        delete="delete_vpc",
    ),
    "AWS::EC2::Subnet": Mirror(
        "ec2",
        "create_subnet",
        _named("SubnetId"),
        id="Subnet.SubnetId",
        attributes={"SubnetId": "Subnet.SubnetId"},
        delete="delete_subnet",
        after=(steps.public_addresses,),
    ),
    "AWS::EC2::RouteTable": Mirror(
        "ec2",
        "create_route_table",
        _named("RouteTableId"),
        id="RouteTable.RouteTableId",
        attributes={"RouteTableId": "RouteTable.RouteTableId"},
        delete="delete_route_table",
    ),
    "AWS::EC2::Route": Mirror(
        "ec2",
        "create_route",
        lambda _i, p: {
            "RouteTableId": p["RouteTableId"],
            "DestinationCidrBlock": p["DestinationCidrBlock"],
        },
        delete="delete_route",
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Mirror(
        "ec2",
        "associate_route_table",
        _named("AssociationId"),
        id="AssociationId",
        attributes={"Id": "AssociationId"},
        delete="disassociate_route_table",
    ),
    "AWS::EC2::InternetGateway": Mirror(
        "ec2",
        "create_internet_gateway",
        _named("InternetGatewayId"),
        id="InternetGateway.InternetGatewayId",
        attributes={"InternetGatewayId": "InternetGateway.InternetGatewayId"},
        delete="delete_internet_gateway",
    ),
    "AWS::EC2::VPCGatewayAttachment": Mirror(
        "ec2",
        "attach_internet_gateway",
        lambda _i, p: {"InternetGatewayId": p.get("InternetGatewayId"), "VpcId": p["VpcId"]},
        delete="detach_internet_gateway",
    ),
    "AWS::EC2::EIP": Mirror(
        "ec2",
        "allocate_address",
        lambda i, _p: {"AllocationId": i.attributes["AllocationId"]},
        lambda _i, _p: {"Domain": "vpc"},
        id="PublicIp",
        attributes={"AllocationId": "AllocationId", "PublicIp": "PublicIp"},
        delete="release_address",
    ),
    "AWS::EC2::NatGateway": Mirror(
        "ec2",
        "create_nat_gateway",
        _named("NatGatewayId"),
        id="NatGateway.NatGatewayId",
        attributes={"NatGatewayId": "NatGateway.NatGatewayId"},
        delete="delete_nat_gateway",
    ),
    "AWS::EC2::SecurityGroup": Mirror(
        "ec2",
        "create_security_group",
        _named("GroupId"),
        lambda i, p: {
            "GroupName": p.get("GroupName", f"stack-{i.id}"),
            "Description": p["GroupDescription"],
        },
        id="GroupId",
        attributes={"GroupId": "GroupId"},
        delete="delete_security_group",
        after=(steps.inline_rules,),
    ),
    "AWS::EC2::SecurityGroupIngress": Mirror(
        "ec2",
        "authorize_security_group_ingress",
        steps.rule_key,
        steps.rule_arguments("Source"),
        id="SecurityGroupRules.0.SecurityGroupRuleId",
        delete="revoke_security_group_ingress",
    ),
    "AWS::EC2::SecurityGroupEgress": Mirror(
        "ec2",
        "authorize_security_group_egress",
        steps.rule_key,
        steps.rule_arguments("Destination"),
        id="SecurityGroupRules.0.SecurityGroupRuleId",
        delete="revoke_security_group_egress",
    ),
    "AWS::EC2::VPCEndpoint": Mirror(
        "ec2",
        "create_vpc_endpoint",
        lambda i, _p: {"VpcEndpointIds": [i.id]},
        lambda _i, p: {"VpcEndpointType": p.get("VpcEndpointType", "Gateway")},
        id="VpcEndpoint.VpcEndpointId",
        delete="delete_vpc_endpoints",
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Mirror(
        "elbv2",
        "create_load_balancer",
        _named("LoadBalancerArn"),
        lambda i, _p: {"Name": i.attributes["LoadBalancerName"]},
        id="LoadBalancers.0.LoadBalancerArn",
        attributes={
            "DNSName": "LoadBalancers.0.DNSName",
            "CanonicalHostedZoneID": "LoadBalancers.0.CanonicalHostedZoneId",
        },
        delete="delete_load_balancer",
        after=(steps.balancer_attributes,),
        updated=(steps.balancer_network,),
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Mirror(
        "elbv2",
        "create_target_group",
        _named("TargetGroupArn"),
        lambda i, _p: {"Name": i.attributes["TargetGroupName"]},
        id="TargetGroups.0.TargetGroupArn",
        delete="delete_target_group",
        update="modify_target_group",
        after=(steps.target_group_attributes,),
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Mirror(
        "elbv2",
        "create_listener",
        _named("ListenerArn"),
        id="Listeners.0.ListenerArn",
        delete="delete_listener",
        update="modify_listener",
    ),
    "AWS::EFS::FileSystem": Mirror(
        "efs",
        "create_file_system",
        _named("FileSystemId"),
        lambda _i, p: {"Tags": p.get("FileSystemTags", [])},
        id="FileSystemId",
        attributes={"FileSystemId": "FileSystemId", "Arn": "FileSystemArn"},
        delete="delete_file_system",
    ),
    "AWS::EFS::AccessPoint": Mirror(
        "efs",
        "create_access_point",
        _named("AccessPointId"),
        lambda i, _p: {"ClientToken": i.id},
        id="AccessPointId",
        attributes={"AccessPointId": "AccessPointId", "Arn": "AccessPointArn"},
        delete="delete_access_point",
    ),
    "AWS::EFS::MountTarget": Mirror(
        "efs",
        "create_mount_target",
        _named("MountTargetId"),
        id="MountTargetId",
        attributes={"Id": "MountTargetId", "IpAddress": "IpAddress"},
        delete="delete_mount_target",
    ),
    "AWS::Events::Rule": Mirror(
        "events",
        "put_rule",
        _named("Name"),
        attributes={"Arn": "RuleArn"},
        delete="delete_rule",
        update="put_rule",
        after=(steps.targets,),
        before_delete=(lambda s, i, _p: steps.remove_targets(s, i, ()),),
    ),
    "AWS::CloudWatch::Dashboard": Mirror(
        "cloudwatch",
        "put_dashboard",
        lambda i, _p: {"DashboardName": i.id, "DashboardNames": [i.id]},
        delete="delete_dashboards",
        update="put_dashboard",
    ),
    "AWS::CloudWatch::Alarm": Mirror(
        "cloudwatch",
        "put_metric_alarm",
        lambda i, _p: {"AlarmName": i.id, "AlarmNames": [i.id]},
        delete="delete_alarms",
        update="put_metric_alarm",
    ),
    "AWS::ApplicationAutoScaling::ScalableTarget": Mirror(
        "application-autoscaling",
        "register_scalable_target",
        lambda _i, p: {
            key: p[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")
        },
        delete="deregister_scalable_target",
        update="register_scalable_target",
    ),
    "AWS::ApplicationAutoScaling::ScalingPolicy": Mirror(
        "application-autoscaling",
        "put_scaling_policy",
        lambda i, p: {"PolicyName": p["PolicyName"], **steps.scaling_policy(i, p)},
        id="PolicyARN",
        delete="delete_scaling_policy",
        update="put_scaling_policy",
    ),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Mirror(
        "servicediscovery",
        "create_private_dns_namespace",
        _named("Id"),
        answer=steps.namespace,
        id="Namespace.Id",
        attributes={
            "Arn": "Namespace.Arn",
            "HostedZoneId": "Namespace.Properties.DnsProperties.HostedZoneId",
        },
        delete="delete_namespace",
    ),
    "AWS::ServiceDiscovery::Service": Mirror(
        "servicediscovery",
        "create_service",
        _named("Id"),
        id="Service.Id",
        attributes={"Arn": "Service.Arn", "Name": "Service.Name"},
        delete="delete_service",
    ),
    "AWS::Lambda::Function": Mirror(
        "lambda",
        "create_function",
        _named("FunctionName"),
        steps.function_arguments,
        attributes={"Arn": "FunctionArn"},
        delete="delete_function",
        update="update_function_configuration",
        updated=(steps.function_code,),
        after=(steps.concurrency,),
    ),
    "AWS::Lambda::Permission": Mirror(
        "lambda", "add_permission", steps.permission_key, delete="remove_permission"
    ),
    "AWS::SNS::Subscription": Mirror(
        "sns", "subscribe", _named("SubscriptionArn"), id="SubscriptionArn", delete="unsubscribe"
    ),
    "AWS::SNS::TopicPolicy": Mirror(
        "sns",
        "set_topic_attributes",
        lambda _i, p: {"TopicArn": p["Topics"][0]},
        steps.topic_policy,
        update="set_topic_attributes",
    ),
}
