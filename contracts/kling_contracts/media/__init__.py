"""Audio and video files: measured from their bytes, and made to measure."""
