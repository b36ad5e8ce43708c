"""Facts: what a world says about one payload."""
