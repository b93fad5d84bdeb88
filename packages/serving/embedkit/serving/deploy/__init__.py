"""`embedkit deploy`: a folder with all that a cloud, a container or an endpoint needs to run a model, and its checks.

A target is a writer, its checks and one line in `targets.py`; what it fills in stands in `templates/`.
Every target answers by the one serving core, `embedkit.serving.score`, from the wheel that travels in the folder.
"""
