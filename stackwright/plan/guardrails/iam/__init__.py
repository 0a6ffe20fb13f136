"""Compare IAM policies as sets of requests.

In: the statements of a policy before and after a change, or patterns such as ``s3:Get*``. Out: a
`Widening` for each statement that allows more or denies less, unless it is proved that none does.
Nothing here knows of resource types or plans.
"""

from .patterns import is_covered
from .policy_sets import Widening, find_widenings

__all__ = ["Widening", "find_widenings", "is_covered"]
