"""One request to one response."""
