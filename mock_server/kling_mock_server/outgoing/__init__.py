"""Every connection that the mock opens because a caller named a URL."""
