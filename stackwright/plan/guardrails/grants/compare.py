"""Compare what a root grants before and after its change, over all of its templates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ....core import HIDDEN
from ....diff import Effect
from ...model import Certainty, PlannedChange, RootPlan
from ..iam import Widening, find_widenings
from ..references import References
from ..wording import describe_change, describe_statement, shorten
from .memberships import ATTACHES, BOUNDARY, PROFILE, Membership, read_memberships
from .network_rules import describe_wider_rule, find_wider_rules, read_rules
from .new_resources import NewResources
from .policy_types import FULL_BY_DEFAULT, OPEN_BY_DEFAULT, RESOURCE_POLICIES, grants_access
from .side import Place, build_sides
from .statements import IDENTITY, MANAGED, Grant, Pool, find_held_policies, read_grants


def compare_grants(
    root: RootPlan, account: str, references: References
) -> Mapping[Place, Sequence[str]]:
    """Return what a root opens, as predicates of sentences, by the resource that does it.

    Statements, rules and memberships are compared as sets, for each subject that they hold for: it
    does not matter which resource declares them. ``account`` is the ID of the account.
    """
    return _Comparison(root, account, references).run()


class _Comparison:
    def __init__(self, root: RootPlan, account: str, references: References) -> None:
        self._references = references
        self._before, self._after = build_sides(root, references)
        self._new = NewResources(self._before, self._after, account)
        self._changes = {
            (change.diff.stack, change.diff.logical_id): change
            for change in root.changes
            if change.certainty is not Certainty.SPURIOUS
        }
        self._gone = {
            change.diff.address
            for place, change in self._changes.items()
            if change.effect is Effect.REMOVE and place not in self._after.resources
        }
        self._texts: dict[Place, list[str]] = defaultdict(list)

    def run(self) -> Mapping[Place, Sequence[str]]:
        self._compare_rules()
        self._compare_statements()
        self._find_lost_policies()
        self._compare_memberships()
        self._find_unpredicted()
        return {place: tuple(dict.fromkeys(texts)) for place, texts in self._texts.items()}

    def _tell(self, places: Sequence[Place], text: str) -> None:
        """Add a text to the first of the places that changes: where none does, neither does what
        they grant."""
        place = next((place for place in places if place in self._changes), None)
        if place is not None:
            self._texts[place].append(text)

    # --- statements

    def _compare_statements(self) -> None:
        before, after = (_pool(read_grants(side)) for side in (self._before, self._after))
        held = find_held_policies(self._before)
        for pool in dict.fromkeys((*after, *before)):
            # a policy that holders outside of the template have cannot be deleted
            unheld = pool.kind == MANAGED and pool.subject not in held
            if pool.subject not in self._gone or unheld:
                self._compare_pool(pool, before.get(pool, []), after.get(pool, []))

    def _compare_pool(self, pool: Pool, before: Sequence[Grant], after: Sequence[Grant]) -> None:
        former = [grant.statement for grant in before]
        later = self._references.follow([grant.statement for grant in after], former)
        for widening in find_widenings(former, later):
            grant = (after if widening.allows else before)[widening.index]
            self._tell_widening(pool, grant, widening)

    def _tell_widening(self, pool: Pool, grant: Grant, widening: Widening) -> None:
        elements = widening.elements
        if widening.allows and grant.assumed:
            if not self._new.holds(pool.subject):
                self._tell_default(grant.places[0])
            return
        if widening.allows:
            reaching = self._new.reaching(pool, elements, grant.places[0])
            if reaching is None:
                return
            elements = reaching
        stack, _, logical_id = pool.subject.rpartition(":")
        text = describe_statement(elements, widening.verb)
        if pool.kind == IDENTITY and (stack, logical_id) != grant.places[0]:
            text += f" to {logical_id}"
        if widening.by_condition:
            text += _describe_condition(widening)
        self._tell((*grant.places, (stack, logical_id)), text)

    def _find_lost_policies(self) -> None:
        """Tell where a resource returns to a default policy that is open to more than itself."""
        for resource in self._after:
            former = self._before.resources.get(resource.place)
            if resource.type in OPEN_BY_DEFAULT and resource.type not in FULL_BY_DEFAULT and former:
                name, _ = RESOURCE_POLICIES[resource.type]
                if former.properties.get(name) and not resource.properties.get(name):
                    self._tell_default(resource.place)

    def _tell_default(self, place: Place) -> None:
        type_ = self._after.resources[place].type
        name, _ = RESOURCE_POLICIES[type_]
        self._tell((place,), f"loses its {name}; the default policy gives {OPEN_BY_DEFAULT[type_]}")

    # --- memberships

    def _compare_memberships(self) -> None:
        before, after = (
            {(one.kind, one.parts): one for one in read_memberships(side)}
            for side in (self._before, self._after)
        )
        limits = {one.parts[0]: one for one in after.values() if one.kind == BOUNDARY}
        for key, membership in after.items():
            known = key in before and HIDDEN not in str(key)
            if not known and membership.text and membership.place in self._changes:
                self._tell_gained(membership)
        for key, membership in before.items():
            holder = membership.parts[0]
            if key in after or not membership.lost or holder in self._gone:
                continue
            limit = limits.get(holder) if membership.kind == BOUNDARY else None
            text = f"{membership.lost}, and has {limit.parts[1]}" if limit else membership.lost
            self._tell((membership.place,), text)

    def _tell_gained(self, membership: Membership) -> None:
        holder, gained = membership.parts[:2]
        new = self._new.holds(holder)
        if membership.kind == PROFILE and new:
            return
        if membership.kind == ATTACHES and new and self._new.is_harmless_policy(gained):
            return
        self._tell((membership.place,), membership.text)

    # --- rules of security groups

    def _compare_rules(self) -> None:
        before, after = (list(read_rules(side)) for side in (self._before, self._after))
        for rule in find_wider_rules(before, after):
            if self._new.matters(rule) and rule.place in self._changes:
                self._tell((rule.place,), describe_wider_rule(rule, before, after))

    # --- changes that only CloudFormation lists

    def _find_unpredicted(self) -> None:
        """Tell of changes that neither side's values explain: they may open something."""
        for place, change in self._changes.items():
            if grants_access(change.diff.type):
                for text in self._describe_unpredicted(place, change):
                    self._tell((place,), text)

    def _describe_unpredicted(self, place: Place, change: PlannedChange) -> Iterator[str]:
        diff = change.diff
        if change.effect is Effect.REMOVE:
            if not diff.before:
                yield "may no longer deny anything"
            return
        if change.effect is Effect.ADD:
            if place in self._references.renamed:
                return
            if not self._after.resources[place].properties:
                yield "may grant access that is not known"
            return
        sides = [side.get("Properties", {}) for side in (diff.before, diff.after)]
        for leaf in diff.properties:
            name = leaf.path.split(".")[0].split("[")[0]
            explained = sides[0].get(name) != sides[1].get(name)
            property_ = name not in (*diff.before, *diff.after)  # no DeletionPolicy, no Metadata
            if property_ and not explained and not self._references.follows(leaf):
                yield f"may allow more ({describe_change(leaf)})"


def _describe_condition(widening: Widening) -> str:
    if not widening.allows:
        return " in every case"
    condition = widening.elements.get("Condition")
    return f" if {shorten(condition)}" if condition else " without a condition"


def _pool(grants: Iterable[Grant]) -> dict[Pool, list[Grant]]:
    pools: dict[Pool, list[Grant]] = defaultdict(list)
    for grant in grants:
        pools[grant.pool].append(grant)
    return pools
