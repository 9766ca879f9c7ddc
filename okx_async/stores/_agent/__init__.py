"""What speaks with a store for all event loops and threads of one process."""
