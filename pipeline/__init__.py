"""One run: its steps, what they hand over, and whose turn it is."""
