"""Pure mathematics of the Python models: arrays in, arrays out."""
