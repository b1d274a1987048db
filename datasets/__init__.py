"""What we take in: one module per kind of input with all its behaviour; no other file asks for its name."""
