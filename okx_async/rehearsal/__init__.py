"""The rehearsal: what the library assumes of the exchange, tried on demo trading and told one by one."""
