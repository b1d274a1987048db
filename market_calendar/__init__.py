"""NYSE sessions, futures settlement days, Federal Reserve business days and release times.

`sessions` answers questions about single days, `release_rules` says when an observation could first be had,
`refresh` regenerates `warehouse/reference/calendar.csv`. None uses the network or the clock.
"""
