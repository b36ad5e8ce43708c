"""Files that the mock serves or measures."""
