"""Tokens and waiters: one bucket and one queue for each key. It knows no HTTP and no OKX."""
