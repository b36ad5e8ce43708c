"""The vendor's document, byte for byte, and the overlays that make it executable."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""Where the documents lie; data only, nothing here computes."""
