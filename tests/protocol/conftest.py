from hypothesis import settings


# How long an example takes on a busy machine says nothing; `pytest-timeout` bounds all.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
