"""An event loop in virtual time with a network in memory. It knows no exchange."""
