"""The resources of stacks."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..world.state import ResourceState, StackState
from .actions import Action, ActionFamily, Arguments, Result
from .errors import invalid
from .shapes import resource_shape, resource_summary_shape, sort_resources, to_datetime


class ResourceActions(ActionFamily):
    """The actions that describe and list resources."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "DescribeStackResource": self.describe_stack_resource,
            "DescribeStackResources": self.describe_stack_resources,
            "ListStackResources": self.list_stack_resources,
        }

    def list_stack_resources(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        summaries = [resource_summary_shape(stack, state) for state in sort_resources(stack)]
        return self.pages.cut("StackResourceSummaries", summaries, arguments)

    def describe_stack_resources(self, arguments: Arguments) -> Result:
        if "StackName" in arguments:
            stacks = [self.find_stack(arguments)]
        else:
            stacks = self._stacks_of(arguments.get("PhysicalResourceId"))
        name = arguments.get("LogicalResourceId")
        return {
            "StackResources": [
                resource_shape(stack, state)
                for stack in stacks
                for state in sort_resources(stack)
                if name in (None, state.logical_id)
            ]
        }

    def _stacks_of(self, physical_id: str | None) -> list[StackState]:
        stacks = [
            stack
            for stack in self.world.store.stacks.values()
            if stack.alive
            and any(_is_of(state, physical_id or "") for state in stack.resources.values())
        ]
        if not stacks:
            raise invalid(f"Stack for {physical_id} does not exist")
        return stacks

    def describe_stack_resource(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments, "Stack '{}' does not exist")
        name = arguments["LogicalResourceId"]
        state = stack.resources.get(name)
        if state is None:
            raise invalid(f"Resource {name} does not exist for stack {stack.name}")
        shape = resource_shape(stack, state)
        del shape["Timestamp"]
        shape["LastUpdatedTimestamp"] = to_datetime(state.timestamp)
        return {"StackResourceDetail": shape}


def _is_of(state: ResourceState, physical_id: str) -> bool:
    """Whether a resource has the physical id; the host in the URL of a queue depends on the
    endpoint that answered."""
    if state.type == "AWS::SQS::Queue":
        return urlsplit(state.physical_id).path == urlsplit(physical_id).path
    return state.physical_id == physical_id
