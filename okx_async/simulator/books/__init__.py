"""The books of the simulated exchange: instruments, positions and orders. Times are arguments."""
