"""The hospitals of a plan's secure sums, for a person to look at, ring up and approve."""

from pathlib import Path

from medfl_client.egress.questions import use_of
from medfl_client.egress.sums.groups import ApprovedGroup, approved_groups, proposed_group
from medfl_common.plan.plan import Plan
from medfl_common.privacy.thresholds import fewest_summed, threshold
from medfl_common.ui.told import Shows
from medfl_common.wire.keys import fingerprint
from medfl_common.wire.secure_sum import Group

RING = (
    "ring at least one of them, at a number that you know, and compare the fingerprint: the same "
    "table stands there. A coordinator that invents hospitals sees more than a sum, and no program "
    "finds that out"
)


def group_to_approve(state: Path, plan: Plan, site: str, screen: Shows) -> Group | None:
    """Show the hospitals of a plan's sums; give them if nobody has approved them yet."""
    if plan.privacy.secure_sum is None:
        return None
    group = proposed_group(state, plan)
    if group is None:
        screen.say(
            "the hospitals whose sums are formed come with the first task of the run; then "
            "medfl-client approve shows them, and nothing is masked before they are approved"
        )
        return None
    known = approved_groups(state, plan.hash())
    if known and known[-1].hash == group.hash:
        screen.say(f"its {len(group.names)} hospitals (group {group.hash[:12]}) are approved")
        return None
    _show(group, plan, site, screen)
    if known:
        _warn(known[-1], group, use_of(state, plan) is not None, screen)
    return group


def _show(group: Group, plan: Plan, site: str, screen: Shows) -> None:
    rows = [
        [name, fingerprint((line,)), "this hospital" if name == site else ""]
        for name, line in zip(group.names, group.keys, strict=True)
    ]
    title = f"the hospitals of {plan.study}'s sums (group {group.hash[:12]})"
    screen.table(["hospital", "fingerprint of its signing key", ""], rows, title=title)
    screen.say(RING)
    sums = plan.privacy.secure_sum
    assert sums is not None
    n = len(group.names)
    try:
        needed = threshold(n, sums.may_lose)
    except ValueError as error:
        screen.say(f"these hospitals cannot be summed: {error}")
        return
    lowest = fewest_summed(n, needed)
    helped = fewest_summed(n, needed, n // 4)
    screen.say(
        f"a sum is of {needed} to {n} of these {n}. A coordinator that shows hospitals different "
        f"lists gets sums of {lowest} or more; with {n // 4} of them on its side, of {helped} or "
        "more, theirs included"
    )


def _warn(before: ApprovedGroup, group: Group, is_used: bool, screen: Shows) -> None:
    """Say what changed, and what two sums tell."""
    gone, new = sorted({*before.names} - {*group.names}), sorted({*group.names} - {*before.names})
    changes = [f"without {name}" for name in gone] + [f"with {name}, who is new" for name in new]
    what = ", ".join(changes) or "the same names, and other keys"
    screen.say(f"against the hospitals that {before.by} approved on {before.day}: {what}")
    if is_used:
        screen.say(
            "this plan was asked here with those hospitals. Two sums of the same plan that differ "
            "by one hospital show the update of that one; only noise (privacy.noise) hides it then"
        )
