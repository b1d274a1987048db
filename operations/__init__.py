"""Keeping it running: backup, restore and housekeeping."""
