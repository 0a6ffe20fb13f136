"""Protection of stacks: termination protection and stack policies."""

from __future__ import annotations

from collections.abc import Mapping

from .actions import Action, ActionFamily, Arguments, Result
from .definitions import is_true
from .errors import invalid


class ProtectionActions(ActionFamily):
    """The actions that protect stacks."""

    def actions(self) -> Mapping[str, Action]:
        return {
            "GetStackPolicy": self.get_stack_policy,
            "SetStackPolicy": self.set_stack_policy,
            "UpdateTerminationProtection": self.update_termination_protection,
        }

    def update_termination_protection(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        if stack.parent_id is not None:
            text = "Termination protection of a nested stack is that of its root stack"
            raise invalid(f"{text} and cannot be updated.")
        stack.termination_protection = is_true(arguments["EnableTerminationProtection"])
        return {"StackId": stack.id}

    def set_stack_policy(self, arguments: Arguments) -> Result:
        stack = self.find_stack(arguments)
        stack.policy = self.definitions.read_policy(arguments, "StackPolicy")
        return {}

    def get_stack_policy(self, arguments: Arguments) -> Result:
        policy = self.find_stack(arguments).policy
        return {"StackPolicyBody": policy} if policy else {}
