"""The API of the simulated exchange: accounts, rate limits and endpoints."""
