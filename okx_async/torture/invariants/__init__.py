"""The invariants: what must hold in every history."""
