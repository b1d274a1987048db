"""Ways to read the publication: a shell, files for spreadsheets, a door for language models."""
