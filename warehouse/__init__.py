"""Where the data is kept: the catalog, the pipeline's database, the model runner and the publication."""
