"""The books of the simulated exchange: instruments, positions and orders; every time is an argument."""
