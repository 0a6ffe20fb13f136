"""Create and upload the artifacts of a deployment: a `Rendering` becomes a `Bundle`.

``package`` names templates and function zips by their content, ``upload`` sends the artifacts that
the bucket lacks, ``secrets`` pushes the values of keys.env to Secrets Manager, ``images`` builds,
pushes and mirrors container images.
"""

from .containers import ContainerEngine, RegistryClient, is_loopback
from .images import (
    Image,
    ImageRegistry,
    ImageState,
    ImageStatus,
    build_images,
    find_missing_images,
    find_tagged_images,
    keep_release_images,
    list_images,
    mirror_images,
    push_images,
    push_placeholders,
    require_images,
)
from .package import package_rendering, write_bundle
from .secrets import (
    KEYS,
    KeyValues,
    SecretDifference,
    compare_secrets,
    keep_version,
    push_secrets,
    put_version,
    read_keys,
    read_secret_status,
    require_usable,
    secret_names,
)
from .upload import Transfer, upload_bundle

__all__ = [
    "KEYS",
    "ContainerEngine",
    "Image",
    "ImageRegistry",
    "ImageState",
    "ImageStatus",
    "KeyValues",
    "RegistryClient",
    "SecretDifference",
    "Transfer",
    "build_images",
    "compare_secrets",
    "find_missing_images",
    "find_tagged_images",
    "is_loopback",
    "keep_release_images",
    "keep_version",
    "list_images",
    "mirror_images",
    "package_rendering",
    "push_images",
    "push_placeholders",
    "push_secrets",
    "put_version",
    "read_keys",
    "read_secret_status",
    "require_images",
    "require_usable",
    "secret_names",
    "upload_bundle",
    "write_bundle",
]
