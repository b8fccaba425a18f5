"""HTTP/1.1 for the data path: httptools on asyncio's own protocols, with the bounds that a server on a network needs."""
