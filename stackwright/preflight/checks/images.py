"""Container images of the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core import command_line
from ..model import PreflightCheck
from .base import Check

if TYPE_CHECKING:
    from ...artifacts import Image, ImageRegistry, ImageStatus


class Images(Check):
    """Reads each image's manifest in the registry."""

    id = "images"
    title = "Images are in the registry for the tasks' platform, or the deployment pushes them"
    reason = "A task whose image cannot be pulled does not start."
    source = (
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html"
    )

    def run(self) -> Iterator[PreflightCheck]:
        """A result for each image."""
        if not self.config.parameters.get("images"):
            return
        from ...artifacts import ImageRegistry, list_images

        registry = ImageRegistry(self.config, self.aws, self.inputs.registry)
        for status in registry.status(list_images(self.config)):
            yield self._result(status, registry)

    def _result(self, status: ImageStatus, registry: ImageRegistry) -> PreflightCheck:
        from ...artifacts import ImageState

        image, name = status.image, f"image {status.image.name}"
        if status.state is ImageState.OK:
            return self.ok(status.reference, name=name)
        if status.state is ImageState.OTHER_PLATFORM:
            platforms = ", ".join(status.platforms)
            detail = f"{status.reference} is for {platforms}, the tasks are {registry.platform}"
            return self.fail(
                detail, f"build it for {registry.platform} and give it a new tag", name=name
            )
        if status.state is ImageState.NO_REPOSITORY:
            return self._without_repository(image, name)
        if how := self._how_pushed(image, registry):
            return self.skip(f"{status.reference} is missing: the deployment {how}", name=name)
        push = command_line(f"images push --env {self.config.environment} {image.name}")
        hint = f"{push}, on the machine that built it"
        return self.fail(f"{status.reference} does not exist", hint, name=name)

    def _without_repository(self, image: Image, name: str) -> PreflightCheck:
        if "AWS::ECR::Repository" in self.inputs.types:
            return self.skip(f"the deployment creates {image.repository} first", name=name)
        detail = f"the repository {image.repository} does not exist"
        return self.fail(detail, "create it, and push the image", name=name)

    def _how_pushed(self, image: Image, registry: ImageRegistry) -> str:
        """How the deployment pushes a missing image; empty where it cannot."""
        if registry.is_local:
            return "pushes a placeholder"
        if image.source:
            return "mirrors it"
        if image.context and (self.config.project / image.context).is_dir():
            return "builds and pushes it"
        return ""
