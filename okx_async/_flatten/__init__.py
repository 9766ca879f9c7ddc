"""Closing positions until readings prove that they are gone."""
