"""Closing positions and repeating what may be repeated, until readings prove that they are gone."""
