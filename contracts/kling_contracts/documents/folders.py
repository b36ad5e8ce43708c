"""Which file of a folder of documents is what, told from the names alone.

NAME.openapi.yaml    the vendor's document: the one that has an overlay of its name
NAME.overlay.yaml    what every profile lays over it; with it alone, the profile `documented`
other.overlay.yaml   laid over that: the profile `other`
stateless.overlay.yaml   drops the rules on the account's state; no profile
other.openapi.yaml   further operations, merged in after the overlays
any.patch.yaml       a patch of one of ours
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from kling_contracts.errors import DocumentError

DOCUMENTED: Final = "documented"
"""The profile of the vendor's document under its own overlay alone."""
STATELESS: Final = "stateless.overlay.yaml"
"""Drops the rules on the account's state that only upstream documents."""
DOCUMENT_SUFFIX: Final = ".openapi.yaml"
OVERLAY_SUFFIX: Final = ".overlay.yaml"
PATCH_SUFFIX: Final = ".patch.yaml"


class DocumentFiles(NamedTuple):
    """The names of the files of one folder."""

    vendor: str
    profiles: Mapping[str, tuple[str, ...]]
    """By profile: its overlays, in the order in which they are applied."""
    companions: tuple[str, ...]
    """The documents that are merged in after the overlays."""
    patches: tuple[str, ...]
    stateless: tuple[str, ...]
    """The overlay that drops the rules on the account's state; empty where there is none."""

    @property
    def own(self) -> frozenset[str]:
        """The files of ours, which a patch may change."""
        overlays = {name for names in self.profiles.values() for name in names}
        return frozenset({*self.stateless, *self.companions, *overlays})

    def chosen(self, profile: str, *, upstream_state: bool) -> tuple[str, ...]:
        """Return the files that a profile is made from, the vendor's document first and the patches last.

        Raises `ValueError` for an unknown profile.
        """
        if profile not in self.profiles:
            known = ", ".join(self.profiles)
            missing = f"there is no {profile}{OVERLAY_SUFFIX}"
            raise ValueError(f"unknown profile {profile!r}: {missing}; there are: {known}")
        dropping = () if upstream_state else (STATELESS,)
        return (self.vendor, *self.profiles[profile], *dropping, *self.companions, *self.patches)


def files_of(folder: Path) -> DocumentFiles:
    """Return what the files of a folder are.

    Raises `DocumentError` where the folder cannot be read, or not exactly one document has an overlay of its name.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise DocumentError(f"cannot read the documents in {folder}: {error.strerror}") from None
    documents = [name.removesuffix(DOCUMENT_SUFFIX) for name in names if name.endswith(DOCUMENT_SUFFIX)]
    overlays = [name.removesuffix(OVERLAY_SUFFIX) for name in names if name.endswith(OVERLAY_SUFFIX)]
    main = _main(folder, documents, overlays)
    others = [name for name in overlays if name != main and f"{name}{OVERLAY_SUFFIX}" != STATELESS]
    first = f"{main}{OVERLAY_SUFFIX}"
    return DocumentFiles(
        vendor=f"{main}{DOCUMENT_SUFFIX}",
        profiles={DOCUMENTED: (first,), **{name: (first, f"{name}{OVERLAY_SUFFIX}") for name in others}},
        companions=tuple(f"{name}{DOCUMENT_SUFFIX}" for name in documents if name != main),
        patches=tuple(name for name in names if name.endswith(PATCH_SUFFIX)),
        stateless=tuple(name for name in names if name == STATELESS),
    )


def _main(folder: Path, documents: list[str], overlays: list[str]) -> str:
    pairs = [name for name in documents if name in overlays]
    if len(pairs) == 1:
        return pairs[0]
    if pairs:
        both = " and ".join(f"{name}{OVERLAY_SUFFIX}" for name in pairs)
        raise DocumentError(f"{folder}: one document alone may have an overlay of its name, and there are {both}")
    missing = [f"{name}{OVERLAY_SUFFIX} to {name}{DOCUMENT_SUFFIX}" for name in documents]
    missing += [f"{name}{DOCUMENT_SUFFIX} to {name}{OVERLAY_SUFFIX}" for name in overlays]
    hint = f"; missing is one of: {', '.join(missing)}" if missing else ""
    raise DocumentError(
        f"{folder}: a folder of documents holds NAME{DOCUMENT_SUFFIX}, as it was published, and NAME{OVERLAY_SUFFIX}, "
        f"what it means{hint}"
    )
