"""Formats of network files, each in a small module with the names of `reading.Format`."""
