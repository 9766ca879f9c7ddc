"""The endpoints of the simulated exchange: what each checks, in which order, and does."""
