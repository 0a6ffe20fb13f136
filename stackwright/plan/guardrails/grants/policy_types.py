"""The types that hold policies: where each policy stands, and for whom or what it holds.

The types and properties are those of the CloudFormation registry schemas; a test compares the
tables with the schemas that are installed.
"""

from __future__ import annotations

from collections.abc import Mapping

OWN = ""
"""The target of a policy that holds for the resource that has it."""

IDENTITY_POLICIES: Mapping[str, str] = {
    "AWS::IAM::Policy": "PolicyDocument",
    "AWS::IAM::ManagedPolicy": "PolicyDocument",
    "AWS::IAM::RolePolicy": "PolicyDocument",
    "AWS::IAM::UserPolicy": "PolicyDocument",
    "AWS::IAM::GroupPolicy": "PolicyDocument",
}
"""Types of policies that are attached to the holders that `HOLDERS` name."""
HOLDERS: Mapping[str, str] = {
    "Roles": "role",
    "RoleName": "role",
    "Users": "user",
    "UserName": "user",
    "Groups": "group",
    "GroupName": "group",
}
"""Properties that name whom a policy is attached to."""
PRINCIPALS: Mapping[str, str] = {
    "AWS::IAM::Role": "Policies",
    "AWS::IAM::User": "Policies",
    "AWS::IAM::Group": "Policies",
    "AWS::SSO::PermissionSet": "InlinePolicy",
}
"""Types of holders, and the property of the policies that they have of their own."""

RESOURCE_POLICIES: Mapping[str, tuple[str, str]] = {
    "AWS::AIOps::InvestigationGroup": ("InvestigationGroupPolicy", OWN),
    "AWS::APS::ResourcePolicy": ("PolicyDocument", "WorkspaceArn"),
    "AWS::ApiGateway::DomainNameV2": ("Policy", OWN),
    "AWS::ApiGateway::RestApi": ("Policy", OWN),
    "AWS::Backup::BackupVault": ("AccessPolicy", OWN),
    "AWS::Backup::LogicallyAirGappedBackupVault": ("AccessPolicy", OWN),
    "AWS::Bedrock::KnowledgeBasePolicy": ("PolicyDocument", "KnowledgeBaseId"),
    "AWS::Bedrock::ResourcePolicy": ("PolicyDocument", "ResourceArn"),
    "AWS::BedrockAgentCore::ResourcePolicy": ("Policy", "ResourceArn"),
    "AWS::CloudTrail::ResourcePolicy": ("ResourcePolicy", "ResourceArn"),
    "AWS::CodeArtifact::Domain": ("PermissionsPolicyDocument", OWN),
    "AWS::CodeArtifact::Repository": ("PermissionsPolicyDocument", OWN),
    "AWS::Comprehend::DocumentClassifier": ("ModelPolicy", OWN),
    "AWS::Comprehend::EntityRecognizer": ("ModelPolicy", OWN),
    "AWS::DSQL::Cluster": ("PolicyDocument", OWN),
    "AWS::DynamoDB::GlobalTable": ("Replicas", OWN),
    "AWS::DynamoDB::Table": ("ResourcePolicy", OWN),
    "AWS::EC2::VPCEndpoint": ("PolicyDocument", OWN),
    "AWS::ECR::PublicRepository": ("RepositoryPolicyText", OWN),
    "AWS::ECR::RegistryPolicy": ("PolicyText", "the registry"),
    "AWS::ECR::Repository": ("RepositoryPolicyText", OWN),
    "AWS::ECR::RepositoryCreationTemplate": ("RepositoryPolicy", OWN),
    "AWS::EFS::FileSystem": ("FileSystemPolicy", OWN),
    "AWS::EKS::PodIdentityAssociation": ("Policy", OWN),
    "AWS::Elasticsearch::Domain": ("AccessPolicies", OWN),
    "AWS::EventSchemas::RegistryPolicy": ("Policy", "RegistryName"),
    "AWS::Events::EventBus": ("Policy", OWN),
    "AWS::Events::EventBusPolicy": ("Statement", "EventBusName"),
    "AWS::EventsV2::ResourcePolicy": ("PolicyDocument", "EventBusArn"),
    "AWS::FSx::S3AccessPointAttachment": ("S3AccessPoint", OWN),
    "AWS::IoT::Policy": ("PolicyDocument", OWN),
    "AWS::KMS::Key": ("KeyPolicy", OWN),
    "AWS::KMS::ReplicaKey": ("KeyPolicy", OWN),
    "AWS::Kinesis::ResourcePolicy": ("ResourcePolicy", "ResourceArn"),
    "AWS::Lambda::ResourcePolicy": ("PolicyDocument", "ResourceArn"),
    "AWS::Lex::ResourcePolicy": ("Policy", "ResourceArn"),
    "AWS::Logs::DeliveryDestination": ("DeliveryDestinationPolicy", OWN),
    "AWS::Logs::Destination": ("DestinationPolicy", OWN),
    "AWS::Logs::LogGroup": ("ResourcePolicyDocument", OWN),
    "AWS::Logs::ResourcePolicy": ("PolicyDocument", "the logs of the account"),
    "AWS::MSK::ClusterPolicy": ("Policy", "ClusterArn"),
    "AWS::MediaPackageV2::ChannelPolicy": ("Policy", "ChannelName"),
    "AWS::MediaPackageV2::OriginEndpointPolicy": ("Policy", "OriginEndpointName"),
    "AWS::MediaStore::Container": ("Policy", OWN),
    "AWS::MediaTailor::ChannelPolicy": ("Policy", "ChannelName"),
    "AWS::OSIS::Pipeline": ("ResourcePolicy", OWN),
    "AWS::Oam::Sink": ("Policy", OWN),
    "AWS::Omics::SequenceStore": ("S3AccessPolicy", OWN),
    "AWS::OpenSearchService::Domain": ("AccessPolicies", OWN),
    "AWS::Organizations::Policy": ("Content", "TargetIds"),
    "AWS::Organizations::ResourcePolicy": ("Content", "the organization"),
    "AWS::PaymentCryptography::Key": ("Policy", OWN),
    "AWS::RAM::Permission": ("PolicyTemplate", OWN),
    "AWS::RUM::AppMonitor": ("ResourcePolicy", OWN),
    "AWS::Redshift::Cluster": ("NamespaceResourcePolicy", OWN),
    "AWS::RedshiftServerless::Namespace": ("NamespaceResourcePolicy", OWN),
    "AWS::RolesAnywhere::Profile": ("SessionPolicy", OWN),
    "AWS::S3::AccessPoint": ("Policy", OWN),
    "AWS::S3::BucketPolicy": ("PolicyDocument", "Bucket"),
    "AWS::S3::MultiRegionAccessPointPolicy": ("Policy", "MrapName"),
    "AWS::S3Express::AccessPoint": ("Policy", OWN),
    "AWS::S3Express::BucketPolicy": ("PolicyDocument", "Bucket"),
    "AWS::S3Files::FileSystemPolicy": ("Policy", "FileSystemId"),
    "AWS::S3ObjectLambda::AccessPointPolicy": ("PolicyDocument", "ObjectLambdaAccessPoint"),
    "AWS::S3Outposts::AccessPoint": ("Policy", OWN),
    "AWS::S3Outposts::BucketPolicy": ("PolicyDocument", "Bucket"),
    "AWS::S3Tables::TableBucketPolicy": ("ResourcePolicy", "TableBucketARN"),
    "AWS::S3Tables::TablePolicy": ("ResourcePolicy", "TableARN"),
    "AWS::S3Vectors::VectorBucketPolicy": ("Policy", "VectorBucketArn"),
    "AWS::SMSVOICE::ResourcePolicy": ("PolicyDocument", "ResourceArn"),
    "AWS::SNS::TopicInlinePolicy": ("PolicyDocument", "TopicArn"),
    "AWS::SNS::TopicPolicy": ("PolicyDocument", "Topics"),
    "AWS::SQS::QueueInlinePolicy": ("PolicyDocument", "Queue"),
    "AWS::SQS::QueuePolicy": ("PolicyDocument", "Queues"),
    "AWS::SSM::ResourcePolicy": ("Policy", "ResourceArn"),
    "AWS::SageMaker::ModelPackageGroup": ("ModelPackageGroupPolicy", OWN),
    "AWS::SecretsManager::ResourcePolicy": ("ResourcePolicy", "SecretId"),
    "AWS::Transfer::User": ("Policy", OWN),
    "AWS::VpcLattice::AuthPolicy": ("Policy", "ResourceIdentifier"),
    "AWS::VpcLattice::ResourcePolicy": ("Policy", "ResourceArn"),
    "AWS::XRay::ResourcePolicy": ("PolicyDocument", "the traces of the account"),
}
"""The property of a resource policy, and the property that names what it holds for (or, for a
policy of the account, words for it)."""

OPAQUE_POLICIES: Mapping[str, str] = {
    "AWS::BedrockAgentCore::Policy": "Definition",
    "AWS::EC2::ClientVpnEndpoint": "AuthorizationPolicy",
    "AWS::EC2::VerifiedAccessEndpoint": "PolicyDocument",
    "AWS::EC2::VerifiedAccessGroup": "PolicyDocument",
    "AWS::NetworkManager::CoreNetwork": "PolicyDocument",
    "AWS::OpenSearchServerless::AccessPolicy": "Policy",
    "AWS::OpenSearchServerless::SecurityPolicy": "Policy",
    "AWS::VerifiedPermissions::Policy": "Definition",
    "AWS::VerifiedPermissions::PolicyTemplate": "Statement",
}
"""Policies in other languages, such as Cedar, that are compared as a whole: another one may be
wider."""

OPEN_BY_DEFAULT: Mapping[str, str] = {
    "AWS::EC2::VPCEndpoint": "everybody full access to the service",
    "AWS::EFS::FileSystem": "every client full access",
    "AWS::KMS::Key": "the account full access to the key",
    "AWS::ApiGateway::RestApi": "every caller access, as far as its methods allow",
    "AWS::EKS::PodIdentityAssociation": "its pods all that their role may do",
    "AWS::RolesAnywhere::Profile": "its sessions all that their role may do",
    "AWS::Transfer::User": "its sessions all that their role may do",
}
"""What the default gives where a resource has no policy of its own. Sources:
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session"""
FULL_BY_DEFAULT = frozenset(
    (
        "AWS::EC2::VPCEndpoint",
        "AWS::EFS::FileSystem",
        "AWS::EKS::PodIdentityAssociation",
        "AWS::RolesAnywhere::Profile",
        "AWS::Transfer::User",
    )
)
"""Types whose default policy allows everything, so that any policy is narrower."""

_PERMISSIONS = frozenset(
    (
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::UserToGroupAddition",
        "AWS::Lambda::LayerVersionPermission",
        "AWS::Lambda::Permission",
    )
)


def grants_access(type_: str) -> bool:
    """Return whether resources of a type do nothing but grant access, or are principals."""
    guards = RESOURCE_POLICIES.get(type_, ("", OWN))[1] != OWN
    return guards or type_ in IDENTITY_POLICIES or type_ in PRINCIPALS or type_ in _PERMISSIONS
