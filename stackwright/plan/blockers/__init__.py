"""Find the changes that CloudFormation cannot carry out, and refuse a plan that has some.

In: the roots as they are and as they are to be, with the predicted changes. Out: a `Blocker` for
each change that would fail during the deployment, or a `DeployError`. No approval helps: the
templates have to change.

``names`` compares the names that resources have and get, ``taken`` looks for names that exist
outside of the stacks, ``exports`` compares the exports and who imports them; ``find`` runs all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exports": ["find_awaited_exports"],
        "find": ["find_blockers", "require_unblocked"],
        "names": ["RootChange"],
        "taken": ["IDENTIFIERS", "find_identifier"],
    },
)
