"""Random templates of roles, policies and security groups, in two shapes of an equal effect.

``python -m tests.support.grant_templates 2000`` tries that many rewrites and as many widenings, and
prints the false alarms and the misses.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from random import Random
from typing import Any

Resources = dict[str, Any]

ROLES = ("Api", "Worker")
ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage", "iam:PassRole", "kms:Decrypt")
TARGETS = ("arn:aws:s3:::files/*", "arn:aws:s3:::logs/*", "arn:aws:sqs:us-east-1:1:jobs")
CONDITION = {"StringEquals": {"aws:PrincipalTag/team": ["a", "b"]}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
    },
}
PUBLISH = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}

Grants = dict[str, list[dict[str, Any]]]
"""Statements by the role that has them."""
Rules = dict[str, list[dict[str, Any]]]
"""Inbound rules by security group."""


class Meaning:
    """What a template grants, apart from its shape."""

    def __init__(self, random: Random) -> None:
        self.grants: Grants = {role: _make_statements(random) for role in ROLES}
        self.rules: Rules = {group: _make_rules(random) for group in ("Web", "Data")}
        self.senders = random.sample(["111111111111", "222222222222", "333333333333"], 2)

    def widen(self, random: Random) -> str:
        """Grant one thing more; returns what."""
        kind = random.choice(("action", "condition", "deny", "port", "source", "sender"))
        role = random.choice(ROLES)
        allowed = [one for one in self.grants[role] if one["Effect"] == "Allow"]
        if kind == "action":
            random.choice(allowed)["Action"].append("ec2:RunInstances")
        elif kind == "condition":
            self.grants[role].append({"Effect": "Allow", "Action": ["sts:*"], "Resource": ["*"]})
        elif kind == "deny":
            self.grants[role] = [one for one in self.grants[role] if one["Effect"] == "Allow"]
        elif kind == "sender":
            self.senders.append("444444444444")
        else:
            rule = random.choice(self.rules[random.choice(("Web", "Data"))])
            rule |= {"ToPort": 9000} if kind == "port" else {"CidrIp": "0.0.0.0/0"}
        return kind

    def render(self, random: Random) -> Resources:
        """Return resources in a shape that chance decides."""
        resources: Resources = {
            role: {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
            for role in ROLES
        }
        for role, statements in self.grants.items():
            _place_statements(random, resources, role, _reshape(random, statements))
        for group, rules in self.rules.items():
            _place_rules(random, resources, group, _reshape_rules(random, rules))
        _place_queue_policy(random, resources, self.senders)
        return resources


def _make_statements(random: Random) -> list[dict[str, Any]]:
    statements = []
    for _ in range(random.randint(1, 3)):
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": random.sample(ACTIONS, random.randint(1, 3)),
            "Resource": random.sample(TARGETS, random.randint(1, 2)),
        }
        if random.random() < 0.3:
            statement["Condition"] = CONDITION
        statements.append(statement)
    statements.append({"Effect": "Deny", "Action": ["iam:*"], "Resource": ["*"]})
    return statements


def _make_rules(random: Random) -> list[dict[str, Any]]:
    return [
        {
            "IpProtocol": random.choice(("tcp", "udp")),
            "FromPort": (first := random.randint(1, 800)),
            "ToPort": first + random.randint(1, 100),
            "CidrIp": f"10.{random.randint(0, 200)}.0.0/16",
        }
        for _ in range(random.randint(1, 3))
    ]


# --- shapes


def _reshape(random: Random, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the statements, some split by action or resource, in another order and renamed."""
    shaped = []
    for statement in copy.deepcopy(statements):
        name = random.choice(("Action", "Resource", "", ""))
        if name:
            shaped += [{**statement, name: value} for value in statement[name]]
        else:
            shaped.append(statement)
    random.shuffle(shaped)
    return [{**one, "Sid": f"S{random.randrange(10**6)}"} for one in shaped]


def _place_statements(
    random: Random, resources: Resources, role: str, statements: list[dict[str, Any]]
) -> None:
    """Spread the statements over inline policies and policies of each kind."""
    while statements:
        count = random.randint(1, len(statements))
        document = {"Version": "2012-10-17", "Statement": statements[:count]}
        statements = statements[count:]
        name = f"P{random.randrange(10**6)}"
        policy = {"PolicyName": name, "PolicyDocument": document}
        holder = {"Ref": role}
        shape = random.choice(("inline", "policy", "role policy", "managed", "attached"))
        if shape == "inline":
            resources[role]["Properties"].setdefault("Policies", []).append(policy)
        elif shape == "policy":
            _add(resources, name, "AWS::IAM::Policy", {**policy, "Roles": [holder]})
        elif shape == "role policy":
            _add(resources, name, "AWS::IAM::RolePolicy", {**policy, "RoleName": holder})
        elif shape == "managed":
            managed = {"PolicyDocument": document, "Roles": [holder]}
            _add(resources, name, "AWS::IAM::ManagedPolicy", managed)
        else:
            _add(resources, name, "AWS::IAM::ManagedPolicy", {"PolicyDocument": document})
            arns = resources[role]["Properties"].setdefault("ManagedPolicyArns", [])
            arns.append({"Ref": name})


def _reshape_rules(random: Random, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rules, some split by port or address."""
    shaped = []
    for rule in rules:
        shape = random.choice(("whole", "ports", "addresses"))
        middle = (rule["FromPort"] + rule["ToPort"]) // 2
        if shape == "ports":
            shaped += [{**rule, "ToPort": middle}, {**rule, "FromPort": middle + 1}]
        elif shape == "addresses" and rule["CidrIp"].endswith("/16"):
            base = rule["CidrIp"].removesuffix("0.0/16")
            shaped += [{**rule, "CidrIp": f"{base}{half}.0/17"} for half in (0, 128)]
        else:
            shaped.append(dict(rule))
    random.shuffle(shaped)
    return shaped


def _place_rules(
    random: Random, resources: Resources, group: str, rules: list[dict[str, Any]]
) -> None:
    properties: dict[str, Any] = {"GroupDescription": "g"}
    _add(resources, group, "AWS::EC2::SecurityGroup", properties)
    for rule in rules:
        if random.random() < 0.5:
            properties.setdefault("SecurityGroupIngress", []).append(rule)
        else:
            owner = {"GroupId": {"Fn::GetAtt": [group, "GroupId"]}}
            name = f"R{random.randrange(10**6)}"
            _add(resources, name, "AWS::EC2::SecurityGroupIngress", {**rule, **owner})


def _place_queue_policy(random: Random, resources: Resources, senders: list[str]) -> None:
    _add(resources, "Queue", "AWS::SQS::Queue", {})
    names = [
        random.choice((sender, f"arn:aws:iam::{sender}:root"))
        for sender in random.sample(senders, len(senders))
    ]
    statements = [{**PUBLISH, "Principal": {"AWS": names}}]
    if random.random() < 0.5:
        statements = [{**PUBLISH, "Principal": {"AWS": name}} for name in names]
    document = {"Version": "2012-10-17", "Statement": statements}
    queue, name = {"Ref": "Queue"}, f"Q{random.randrange(10**6)}"
    if random.random() < 0.5:
        properties = {"Queues": [queue], "PolicyDocument": document}
        _add(resources, name, "AWS::SQS::QueuePolicy", properties)
    else:
        properties = {"Queue": queue, "PolicyDocument": document}
        _add(resources, name, "AWS::SQS::QueueInlinePolicy", properties)


def _add(resources: Resources, name: str, type_: str, properties: dict[str, Any]) -> None:
    resources[name] = {"Type": type_, "Properties": properties}


# --- counting


def count_templates(
    tries: int, seed: int, find_openings: Callable[[Resources, Resources], list[str]]
) -> tuple[int, int]:
    """Return the false alarms of equal rewrites, and the widenings that were missed.

    ``find_openings`` tells what the change from one template to another opens.
    """
    alarms = misses = 0
    for number in range(tries):
        random = Random(seed + number)
        meaning = Meaning(random)
        before = meaning.render(random)
        alarms += bool(find_openings(before, meaning.render(random)))
        meaning.widen(random)
        misses += not find_openings(before, meaning.render(random))
    return alarms, misses


if __name__ == "__main__":
    from tests.plan.test_grants import texts

    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    false, missed = count_templates(number, 0, texts)
    print(f"{number} templates: {false} equal rewrites flagged, {missed} widenings missed")
