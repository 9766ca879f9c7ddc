"""The aiohttp side: connections, time-outs, and whether a request can have left this machine."""
