"""The baseline of a comparison: the vendor's document, and our documents that quote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kling_contracts.contract import Contract
from kling_contracts.documents import loading
from kling_contracts.documents.folders import STATELESS
from kling_contracts.documents.prose_coverage import coverage
from kling_contracts.drift.clauses import Clause, clauses_of
from kling_contracts.drift.overlay_quotes import OverlayQuote, overlay_quotes

Document = dict[str, Any]

OVERLAYS: Final = (*loading.PROFILES["upstream"], STATELESS)
"""Our overlays in the order in which all of them can be applied."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """One folder of documents. Build it with `Baseline.load`."""

    vendor: Document
    effective: Document
    documents: Mapping[str, Document]
    """Ours, by the names of their files."""

    @classmethod
    def load(cls, folder: Path | None = None) -> "Baseline":
        """Load the documents of a folder, by default the installed ones. Raises `DocumentError` where one is wrong."""
        return cls(loading.vendor(folder), loading.effective(folder=folder), loading.own_documents(folder))

    @cached_property
    def contract(self) -> Contract:
        """The contract of the documented profile. Raises `DocumentError` where the documents are wrong."""
        return Contract.compile(self.effective)

    @cached_property
    def clauses(self) -> Mapping[str, tuple[Clause, ...]]:
        """The clauses of every description, by the JSON Pointer of its node."""
        return {one.pointer: clauses_of(one.passages) for one in coverage(self.vendor, self.effective)}

    @cached_property
    def quotes(self) -> tuple[OverlayQuote, ...]:
        """Every quote in our overlays."""
        return overlay_quotes(self.vendor, {name: self.documents[name] for name in OVERLAYS})
