"""The ten steps from a recording to a trained voice, and the worker processes that run them.

`steps`, `plan` and `protocol` only describe; they load no torch, so the daemon may import them.
"""
