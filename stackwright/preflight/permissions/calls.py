"""The calls of Stackwright itself, and of CloudFormation for nested stacks."""

from __future__ import annotations

READ_CALLS = (
    "acm:DescribeCertificate",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeEvents",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStackResourceDrifts",
    "cloudformation:DescribeStackResources",
    "cloudformation:DescribeStacks",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListChangeSets",
    "cloudformation:ListExports",
    "cloudformation:ListImports",
    "cloudformation:ListStackResources",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeRouteTables",
    "ec2:DescribeSubnets",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListServiceDeployments",
    "ecs:ListTasks",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:GetRole",
    "lambda:GetAccountSettings",
    "lambda:GetFunctionConcurrency",
    "logs:GetLogEvents",
    "s3:GetObject",
    "s3:ListBucket",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "servicediscovery:ListInstances",
    "servicediscovery:ListNamespaces",
    "servicequotas:GetServiceQuota",
    "ssm:GetParameters",
)
"""Calls of the verbs that read: plan, preflight, status, history."""
NAMED_CALLS = {
    "AWS::DynamoDB::GlobalTable": "dynamodb:DescribeTable",
    "AWS::DynamoDB::Table": "dynamodb:DescribeTable",
    "AWS::IAM::Role": "iam:GetRole",
    "AWS::Kinesis::Stream": "kinesis:DescribeStreamSummary",
    "AWS::Lambda::Function": "lambda:GetFunctionConfiguration",
    "AWS::Logs::LogGroup": "logs:DescribeLogStreams",
    "AWS::RDS::DBCluster": "rds:DescribeDBClusters",
    "AWS::RDS::DBInstance": "rds:DescribeDBInstances",
    "AWS::SQS::Queue": "sqs:GetQueueUrl",
    "AWS::SSM::Parameter": "ssm:ListTagsForResource",
}
"""Resource type -> the call by which preflight learns whether a name is available
(`aws.Account.held_by`)."""
PLAN_CALLS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:TagResource",
    "s3:PutObject",
)
"""Further calls of a plan: it uploads missing artifacts and creates change sets, which only a
deployment executes."""
DEPLOY_CALLS = (
    "cloudformation:CancelUpdateStack",
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeStackDriftDetectionStatus",
    "cloudformation:DetectStackDrift",
    "cloudformation:DetectStackResourceDrift",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:RollbackStack",
    "cloudformation:SetStackPolicy",
    "cloudformation:UntagResource",
    "cloudformation:UpdateTerminationProtection",
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "ecs:StopServiceDeployment",
    "lambda:DeleteFunctionConcurrency",
    "lambda:InvokeFunction",
    "lambda:PutFunctionConcurrency",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
)
"""Further calls of deploy, verify, rollback, drift, destroy, secrets and images.

Without those of prune: it reads all stacks of the account and deletes artifacts, which a person
does with permissions of their own.
"""
NESTED_CALLS = (
    "cloudformation:CreateChangeSet",
    "cloudformation:CreateStack",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DeleteStack",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:GetStackPolicy",
    "cloudformation:GetTemplate",
    "cloudformation:ListStackResources",
    "cloudformation:SetStackPolicy",
    "cloudformation:TagResource",
    "cloudformation:UntagResource",
    "cloudformation:UpdateStack",
    "cloudformation:UpdateTerminationProtection",
)
"""Calls of the service role for nested stacks: of the handlers of AWS::CloudFormation::Stack, and
for nested change sets."""

SERVICE_LINKED = {
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling.amazonaws.com",
    "AWS::ECS::Cluster": "ecs.amazonaws.com",
    "AWS::EFS::FileSystem": "elasticfilesystem.amazonaws.com",
    "AWS::ElastiCache::ReplicationGroup": "elasticache.amazonaws.com",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing.amazonaws.com",
    "AWS::OpenSearchService::Domain": "opensearchservice.amazonaws.com",
    "AWS::RDS::DBCluster": "rds.amazonaws.com",
    "AWS::RDS::DBInstance": "rds.amazonaws.com",
}
"""Types whose service creates a service-linked role at first use, with the caller's permission.
Source:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html"""
