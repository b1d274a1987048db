"""Whether the data can be trusted: rules derived from the catalog, rules written by hand, and one gate."""
