"""Create and upload the artifacts of a deployment: a `Rendering` becomes a `Bundle`.

``package`` names templates and function zips by their content, ``upload`` sends the artifacts that
the bucket lacks, ``secrets`` pushes the values of keys.env to Secrets Manager, ``images`` builds,
pushes and mirrors container images.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "containers": ["ContainerEngine", "RegistryClient", "is_loopback"],
        "images": [
            "Image",
            "ImageRegistry",
            "ImageState",
            "ImageStatus",
            "build_images",
            "find_missing_images",
            "find_tagged_images",
            "keep_release_images",
            "list_images",
            "mirror_images",
            "push_images",
            "push_placeholders",
            "require_images",
        ],
        "package": ["package_rendering", "write_bundle"],
        "secrets": [
            "KEYS",
            "KeyValues",
            "SecretDifference",
            "compare_secrets",
            "keep_version",
            "push_secrets",
            "put_version",
            "read_keys",
            "read_secret_status",
            "require_usable",
            "secret_names",
        ],
        "upload": ["Transfer", "upload_bundle"],
    },
)
