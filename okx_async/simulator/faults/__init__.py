"""Faults: answers that are wrong on purpose, and the catalogue of those seen in the wild."""
