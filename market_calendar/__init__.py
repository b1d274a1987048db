"""NYSE sessions, futures settlement days, Federal Reserve business days and release times.

`calendar_file` reads the calendar's files, `sessions` answers questions about single days, `release_rules`
says when an observation could first be had, `timetable` gives Airflow one run per session, `refresh`
regenerates `warehouse/reference/calendar.csv`. None uses the network, only the timetable the clock.
"""
