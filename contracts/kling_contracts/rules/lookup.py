"""Rules that people name by id."""

from collections.abc import Collection, Iterable


def nearest(rule_id: str, known: Iterable[str]) -> str:
    """Return the question after a rule that there is not: `did you mean … or …?`; empty where none is like it."""
    from difflib import get_close_matches

    ids = {_plain(one): one for one in known}
    plain = _plain(rule_id)
    near = [ids[one] for one in get_close_matches(plain, ids, cutoff=0.8) or get_close_matches(plain, ids, n=1)]
    return f"did you mean {' or '.join(near)}?" if near else ""


def refuse_unknown_rules(rule_ids: Iterable[str], known: Collection[str]) -> None:
    """Raise `ValueError` with the nearest ids where one of these is none of the known ones."""
    for rule_id in rule_ids:
        if rule_id not in known:
            raise ValueError(
                f"there is no rule {rule_id!r}; {nearest(rule_id, known) or '`klingkit rules` lists them'}"
            )


def _plain(rule_id: str) -> str:
    """Return an id without what is easily mistaken: capitals, and underscores for hyphens."""
    return rule_id.casefold().replace("_", "-")
