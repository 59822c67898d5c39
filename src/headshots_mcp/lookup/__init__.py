"""Looks tasks up: the condensed task, the reader with its cache, waiting, and pictures."""
