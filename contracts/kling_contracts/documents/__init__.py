"""The documents: loading, overlays, prose coverage."""
