"""The rules that judge an application: pure functions of the form, the registers and the day.

Each subject has a module. `judgement.judge` applies them all, so that an applicant sees every deficiency at once (A10).
"""
