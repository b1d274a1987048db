"""Settings of all tests: no time limits on examples, because how long one takes says nothing about whether
it is right.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
