"""One call from start to end: identity, slot, signature, sending, classification, repeats."""
