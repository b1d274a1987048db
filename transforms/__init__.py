"""What is computed: one table per pair of files, `<schema>/<name>.sql` (or `.py`) and `<name>.yml`."""
