"""Alerts: what happened, what stays in place, which page to read; to the log, by mail and by webhook."""
