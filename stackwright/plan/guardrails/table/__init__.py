"""Judge changes by a table of facts: which change of which property weakens a protection.

In: a root's plan and one of its changes. Out: a finding for each row of ``protections.tsv`` that
the change violates. Nothing in the code knows a resource type.

``rows`` reads the table and explains its columns, ``select`` pairs the values at a row's path
before and after, ``directions`` judges a pair, ``check`` brings them together and words the
finding.
"""

from .check import find_weakened
from .rows import Direction, Protection, read_protections

__all__ = ["Direction", "Protection", "find_weakened", "read_protections"]
