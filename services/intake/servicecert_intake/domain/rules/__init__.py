"""The rules that judge an application: pure functions of the form, the registers and the day.

Each subject is a module of its own; `judgement.judge` asks them all, so that an applicant hears of every deficiency at once (A10).
"""
