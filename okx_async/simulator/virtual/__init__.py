"""An event loop in virtual time with a network in memory; independent of the simulated exchange."""
