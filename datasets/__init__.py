"""The kinds of input: one module each with all its behaviour; no other file branches on a kind's name."""
