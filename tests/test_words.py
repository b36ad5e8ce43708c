"""The prose of docstrings and comments: plain sentences that begin with their subject."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [path for folder in ("contracts", "mock_server", "openapi") for path in sorted((ROOT / folder).rglob("*.py"))]
BANNED = re.compile(
    r"(?:^|(?<=[.!?] ))(?:Who|What|Where|Of|As many|So many|So long|Whose|Whoever|Whatever|Wherever)\b"
    r"|\bone (?:row|line|finding|case) an? (?!time\b)"
)
PERHAPS = re.compile(r"[\"'#:.!?]\s*(?:#\s*)?(?:Who|What|Where|Of|As\s|So\s)|\bone\s[\s#]*(?:row|line|finding|case)\b")
"""Any source that `BANNED` may find something in; to parse all of them takes long."""


def prose_of(path):
    source = path.read_text(encoding="utf-8")
    if not PERHAPS.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: ")


@pytest.mark.parametrize(
    "said", ['"""Of both."""', "x = 1  # Where it is", "# It is.\n# So many are.", '"""One.\n\n  one\n  row a key."""']
)
def test_what_may_be_wrong_is_looked_at(said):
    assert PERHAPS.search(said)


def test_no_sentence_begins_with_a_banned_word():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]}"
        for path in SOURCES
        for line, text in prose_of(path)
        if (match := BANNED.search(re.sub(r"\s+", " ", text)))
    ]

    assert found == []
