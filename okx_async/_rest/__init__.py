"""OKX's REST API as values: requests, signatures, answers and what each code means. No sockets, no waiting."""
