"""The console: pages to look at, made on the server, without a script and without anything from elsewhere."""
