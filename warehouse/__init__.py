"""Where the data is kept: catalog, reference data, the pipeline's database, landing, publication."""
