"""Where the data comes from: one module per provider behind the protocol in `sources.protocol`."""
