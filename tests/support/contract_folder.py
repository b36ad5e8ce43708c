"""A copy of the documents, to be changed."""

import shutil

import kling_openapi
from kling_contracts.documents.loading import PROFILES

OVERLAY = PROFILES["documented"][0]


def copy_of_documents(folder):
    """Copy the documents into a folder below `folder`, and return it."""
    copy = folder / "documents"
    copy.mkdir()
    for source in kling_openapi.FOLDER.glob("*.yaml"):
        shutil.copy(source, copy)
    return copy


def changed(folder, name, old, new):
    """Change the first occurrence of a text in a document, and return the line on which it stood."""
    path = folder / name
    before, found, after = path.read_text(encoding="utf-8").partition(old)
    assert found, old
    path.write_text(before + new + after, encoding="utf-8")
    return before.count("\n") + 1
