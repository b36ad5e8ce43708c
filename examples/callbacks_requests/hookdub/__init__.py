"""Puts a recorded voice into the mouth of the person in a video, and waits for the callback."""
