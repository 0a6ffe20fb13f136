"""A stack before and after an update -> the changes: as AWS's change sets list them, and as they
will happen.

The two differ. AWS's ``DescribeChangeSet`` with property values was recorded to

- leave out a resource that only follows an attribute of another that is updated in place (it will
  be updated),
- print ``KNOWN_AFTER_APPLY``, and replacements, for what follows a replaced resource or a sibling
  stack's output even where the value stays as it was
  (github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759).

So every change says both: ``listed`` and ``aws_replacement`` are AWS's view, ``real`` and
``replacement`` the truth. Format:
docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html.
"""

from .comparison import output_values, predict_changes, predict_removal
from .exports import export_names, import_names
from .model import (
    Action,
    Detail,
    PhysicalResource,
    Prediction,
    PropertyChange,
    Replacement,
    ResolvedResource,
    ResourceChange,
    StackSide,
)
from .resolution import deletion_policy

__all__ = [
    "Action",
    "Detail",
    "PhysicalResource",
    "Prediction",
    "PropertyChange",
    "Replacement",
    "ResolvedResource",
    "ResourceChange",
    "StackSide",
    "deletion_policy",
    "export_names",
    "import_names",
    "output_values",
    "predict_changes",
    "predict_removal",
]
