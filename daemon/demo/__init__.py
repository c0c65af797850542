"""The demo: one minute of a real voice through the whole service, as a new user would drive it.

`run.py` plays the user (folders and REST only), `service.py` starts and stops the service, `report.py` prints.
"""
