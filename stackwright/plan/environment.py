"""One environment of a project, connected to its AWS account.

An `Environment` joins the parameters, the rendering and the calls to AWS. It reads root stacks and
remembers the caller and the git revision; it changes nothing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from ..aws import Aws, Caller, Stack, require_account
from ..cfn import parse_template
from ..core import Config, InputError, Location, Rendering
from .desired_state import deploy_settings, find_bucket, require_own, stack_name
from .live_stack import LiveStack, read_stack


@dataclass
class Environment:
    """The parameters, the rendering and the account of one environment.

    ``rendered`` is None where the templates were not rendered, or do not render now. ``env_dir`` is
    the folder of keys.env, by default ``env/<environment>`` of the project. ``variables`` are those
    of the process; they name the local CloudFormation and another registry.
    """

    config: Config
    aws: Aws
    rendered: Rendering | None = field(default=None, repr=False)
    env_dir: Path | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def name(self) -> str:
        """The environment's name, as in ``params/<name>.yaml``."""
        return self.config.environment

    @property
    def rendering(self) -> Rendering:
        """The rendered templates. Raises ValueError where they were not rendered."""
        if self.rendered is None:
            raise ValueError("nothing was rendered")
        return self.rendered

    @property
    def roots(self) -> list[str]:
        """Names of the root stacks, in the order of ``stacks:``."""
        return [root.name for root in self.config.stacks]

    @property
    def env_folder(self) -> Path:
        """The folder of keys.env."""
        return self.env_dir or self.config.project / "env" / self.name

    @property
    def protects(self) -> bool:
        """Whether ``deploy.protect`` asks for termination protection and stack policies."""
        return bool(deploy_settings(self.config).get("protect"))

    # --- the account

    @property
    def caller(self) -> Caller:
        """The caller's account and ARN. Raises AwsError: SW404, another account than the
        parameters name."""
        return require_account(self.config.account, self.aws)

    def require_account(self) -> None:
        """Check the account. Raises AwsError: SW404, another one than the parameters name."""
        require_account(self.config.account, self.aws)

    @property
    def simulated(self) -> bool:
        """Whether the local CloudFormation answers instead of AWS."""
        from ..emulator import is_local_registry

        return is_local_registry(urlsplit(self.variables.get("AWS_ENDPOINT_URL", "")).netloc)

    # --- its stacks

    def stack_name(self, root: str) -> str:
        """The name of a root stack in CloudFormation."""
        return stack_name(self.config, root)

    def read_root(self, root: str) -> LiveStack | None:
        """A root stack with its nested stacks; None where it is not deployed. Raises AwsError, and
        InputError (SW889) for a stack of another environment."""
        live = read_stack(self.stack_name(root), self.aws, root)
        if live:
            require_own(self.config, live.stack)
        return live

    def read_roots(self) -> dict[str, LiveStack | None]:
        """All root stacks by name, read side by side. Raises as `read_root`."""
        with ThreadPoolExecutor(len(self.roots)) as pool:
            return dict(zip(self.roots, pool.map(self.read_root, self.roots), strict=True))

    def list_stacks(self, root: str | None = None) -> list[tuple[str, Stack]]:
        """(Root name, stack) of the root stacks that exist, in order, without their contents.

        ``root`` selects one of them. Raises InputError: SW032, there is no such root stack; SW889,
        a stack belongs to another environment.
        """
        if root is not None and root not in self.roots:
            hint = f"one of: {', '.join(self.roots)}"
            raise InputError.of("SW032", f"{self.name} has no root stack {root}", hint=hint)
        pairs = [
            (name, self.aws.stack(self.stack_name(name)))
            for name in ([root] if root else self.roots)
        ]
        stacks = [(name, stack) for name, stack in pairs if stack]
        for _, stack in stacks:
            require_own(self.config, stack)
        return stacks

    def find_bucket(self, lives: Iterable[LiveStack | None]) -> str | None:
        """The bucket of artifacts and releases; None until the stack that makes it is deployed."""
        return find_bucket(self.config, (live.stack for live in lives if live))

    # --- the project

    @cached_property
    def commit(self) -> str:
        """The git revision of the project, with ``-dirty`` where files differ from it; empty
        without one."""
        return _git_commit(self.config.project)

    def templates(self, root: str) -> dict[str, str]:
        """Rendered templates of a root and its nested stacks, by path (``app/network``); none where
        nothing was rendered."""
        documents = self.rendered.documents if self.rendered else ()
        return {document.name: document.text for document in documents if document.root == root}

    def locate(self, stack: str, logical_id: str) -> Location | None:
        """The line of the template that declares a resource of a stack (``app/gateway``); None
        where it was not rendered here."""
        document = self.rendered.document(stack) if self.rendered else None
        line = document.starts.get(("Resources", logical_id)) if document else None
        return document.lines[line - 1].origin[0] if document and line else None

    def locate_path(self, stack: str, pointer: str) -> Location | None:
        """The line of the template that declares what a JSON pointer names, such as
        ``/Resources/Bucket/Properties/Tags/0``, or what is around it; None where the template was
        not rendered here."""
        document = self.rendered.document(stack) if self.rendered else None
        if document is None:
            return None
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        path = tuple(int(part) if part.isdecimal() else part for part in parts)
        line = parse_template(document.text).line(path)
        return document.lines[line - 1].origin[0] if line else None


def _git_commit(project: Path) -> str:
    command = ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
