"""Limiters whose limits are shared by many processes."""
