"""The limits of many hosts, in a Redis or Valkey server."""
