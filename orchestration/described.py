"""An operator whose docstring is the documentation of its task in the web interface."""

from __future__ import annotations

import inspect
from typing import ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from orchestration.links import RunbookLink


class DescribedOperator(BaseOperator):
    """An operator with a name in plain words and a page of the runbook.

    Attributes:
        title: what the web interface shows in place of the task's id; the grid has room for about 24
            characters.
        runbook_page: where the link `Runbook` leads.
    """

    title: ClassVar[str]
    runbook_page: ClassVar[str]
    operator_extra_links: tuple[BaseOperatorLink, ...] = (RunbookLink(),)

    @classmethod
    def words(cls) -> dict[str, str]:
        """Name and documentation, as arguments of the operator; a mapped one takes them in `partial`."""
        return {"task_display_name": cls.title, "doc_md": inspect.cleandoc(cls.__doc__ or "")}
