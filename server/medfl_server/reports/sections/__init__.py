"""The study report, one file a section, in the order of the page.

answer, sites, rounds, result, uncertainty, roc, calibration, thresholds, groups, findings,
outliers, what_left, messages, run.
"""
