"""Recordings: what was sent and answered in a rehearsal, without secrets, and the comparison with the simulator."""
