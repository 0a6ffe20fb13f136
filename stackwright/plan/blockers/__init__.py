"""Find the changes that CloudFormation cannot carry out, and refuse a plan that has some.

In: the roots as they are and as they are to be, with the predicted changes. Out: a `Blocker` for
each change that would fail during the deployment, or a `DeployError`. No approval helps: the
templates have to change.

``names`` compares the names that resources have and get, ``exports`` the exports and who imports
them; ``find`` runs both.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "find": ["find_blockers", "require_unblocked"],
        "names": ["NamedResource", "RootChange", "is_static_name", "list_created", "type_noun"],
    },
)
