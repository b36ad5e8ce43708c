"""The vendor's document, byte for byte, and the overlays that make it executable."""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder of the documents; data only, nothing here computes."""
