"""A publication that is extended step by step equals one that is built anew, bit for bit, table by table."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extension_world import STEPS, World


def test_every_step_of_a_history_equals_a_rebuild() -> None:
    world = World()
    for name, step in STEPS.items():
        step(world)
        done = world.check()
        if name == "nothing":
            assert not any(found.asked for found in done.values())


@pytest.mark.slow
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=5))
def test_any_history_equals_a_rebuild(names: list[str]) -> None:
    world = World()
    for name in names:
        STEPS[name](world)
        world.check()
