"""The dashboards: a Superset that is made of files (docs/dashboards.md)."""
