"""Makes the person in a video say a text, with Kling's advanced lip-sync."""
