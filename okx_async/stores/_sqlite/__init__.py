"""The limits of one host, in a SQLite file."""
