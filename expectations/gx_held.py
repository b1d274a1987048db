"""What Great Expectations works out again at every step, held while one checkpoint runs.

In: nothing. Out: `held_while_running`, a context in which

* an expectation gives its configuration once, and a configuration makes its expectation once. Great
  Expectations turns the one into the other about a hundred times per rule and run and copies all fields each
  time: that was a third of an audit.
* suites, validation definitions and checkpoints count as unchanged since they were stored. Great Expectations
  reads each of them back four times per run to compare; here the stores are in this process's memory and
  `gx_project` alone writes to them.

Only what is asked is held, so the results are the same (tests/test_suspects.py compares them). Outside the
context Great Expectations is as it was imported. Caveat: not for two threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import great_expectations as gx
from great_expectations.core.expectation_suite import ExpectationSuite
from great_expectations.core.freshness_diagnostics import FreshnessDiagnostics
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

STORED = (ExpectationSuite, gx.ValidationDefinition, gx.Checkpoint)


@contextmanager
def held_while_running() -> Iterator[None]:
    """Hold expectations, configurations and freshness until the context is left."""
    held: list[tuple[Any, str, Any]] = [
        (Expectation, "configuration", property(_once_each(Expectation.configuration.fget))),
        (
            ExpectationConfiguration,
            "to_domain_obj",
            _once_each(ExpectationConfiguration.to_domain_obj, lambda given: dict(given.kwargs)),
        ),
        *((kind, "is_fresh", _is_fresh) for kind in STORED),
    ]
    own = [(kind, name, vars(kind)[name]) for kind, name, _ in held]
    try:
        for kind, name, answer in held:
            setattr(kind, name, answer)
        yield
    finally:
        for kind, name, answer in own:
            setattr(kind, name, answer)


def _once_each(work_out: Callable[[Any], Any], state: Callable[[Any], Any] = lambda _: None) -> Any:
    """The function with one call per object, and a new one when the object's state is another.

    By identity: to compare two expectations costs more than what is held. Each object is kept beside its
    answer, so that no other can take its identity meanwhile.
    """
    held: dict[int, tuple[Any, Any, Any]] = {}

    def once(given: Any) -> Any:
        now = state(given)
        found = held.get(id(given))
        if found is None or found[1] != now:
            found = held[id(given)] = given, now, work_out(given)
        return found[2]

    return once


def _is_fresh(stored: Any) -> FreshnessDiagnostics:
    return FreshnessDiagnostics(errors=[])
