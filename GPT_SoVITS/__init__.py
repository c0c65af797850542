"""The voice engine: networks, text front-end, features, trainers and inference of the GPT-SoVITS design.

Usable as a library. It knows audio, text and checkpoints; it knows nothing of characters, jobs, databases or HTTP.
"""
