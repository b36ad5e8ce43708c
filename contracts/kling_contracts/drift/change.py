"""One difference between the vendor's document and a newer one."""

from typing import Final, Literal, NamedTuple

Severity = Literal["breaking", "review", "cosmetic"]
"""`breaking`: our contract is wrong now; `review`: a person must read it; `cosmetic`: no drift."""

SEVERITIES: Final[dict[str, Severity]] = {
    "reworded": "cosmetic",
    "meaning-unclear": "review",
    "limit-changed": "breaking",
    "negation-changed": "breaking",
    "list-changed": "breaking",
    "clause-new": "review",
    "clause-dropped": "breaking",
    "clause-moved": "review",
    "field-added": "review",
    "field-dropped": "breaking",
    "field-renamed": "breaking",
    "type-changed": "breaking",
    "required-changed": "breaking",
    "enum-changed": "breaking",
    "keyword-changed": "breaking",
    "path-changed": "breaking",
    "path-added": "review",
    "path-dropped": "breaking",
    "method-changed": "breaking",
    "method-added": "review",
    "method-dropped": "breaking",
    "server-changed": "review",
    "example-changed": "review",
    "document-changed": "review",
}
"""Every kind of change, and how much it matters."""

TITLES: Final[dict[str, str]] = {
    "reworded": "Another width, white space, punctuation or spelling of a number; the same sentence",
    "meaning-unclear": "A sentence reads otherwise, and a person must say whether it means the same",
    "limit-changed": "A sentence names another limit",
    "negation-changed": "A sentence gained, lost or changed a negation, a modal verb or the direction of a comparison",
    "list-changed": "A sentence lists other values",
    "clause-new": "A new sentence, for which no rule and no stated reason answers",
    "clause-dropped": "A sentence is gone",
    "clause-moved": "A sentence stands elsewhere",
    "field-added": "A new field",
    "field-dropped": "A field is gone",
    "field-renamed": "A field has another name",
    "type-changed": "A field has another type",
    "required-changed": "Other fields are required",
    "enum-changed": "A field takes other values",
    "keyword-changed": "A schema keyword changed",
    "path-changed": "An operation has another path",
    "path-added": "A new path",
    "path-dropped": "A path is gone",
    "method-changed": "An operation has another method",
    "method-added": "A new method at a known path",
    "method-dropped": "A method is gone",
    "server-changed": "Another server",
    "example-changed": "Another example",
    "document-changed": "Something else in the document changed",
}
"""One line for each kind."""


class Limit(NamedTuple):
    """The limit of one rule, before and after, in the unit of the rule's own literal."""

    rule: str
    old: int | float
    new: int | float
    unit: str
    """ms, bytes, or the word that the sentence uses; empty where it names none."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.old} -> {self.new}{f' {self.unit}' if self.unit else ''}"


class Change(NamedTuple):
    """One difference. `pointer` is where it is in the newer document, or was in the older one where it is gone."""

    kind: str
    pointer: str
    message: str
    old: str = ""
    new: str = ""
    rules: tuple[str, ...] = ()
    """Ids of the rules that quote the sentence or judge the field."""
    limits: tuple[Limit, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """The items that a list gained and lost; fields that became and ceased to be required."""
    old_pointer: str = ""
    """Its place in the older document."""
    is_gone: bool = False
    """Whether `pointer` leads into the older document."""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return SEVERITIES[self.kind]
