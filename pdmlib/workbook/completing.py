"""Tab inside the quotes of a subscript or a call of a report: `week.frames["lat`, `week.frame("lat`.

IPython looks at no attribute of an object that answers misspelt names itself, and at no argument of a call: its
own completer stops there.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from pdmlib.workbook.questions import Questions

# A variable, what is asked of it, and the beginning of a name in quotes: `week.frames["lat`.
_ASKED = re.compile(r"([A-Za-z_]\w*)\.([a-z_]+)\s*[\[(]\s*[\"']([\w-]*)$")
ATTRIBUTE = "pdm_names"  # of a shell whose Tab knows the names of reports already


def complete_names() -> None:
    """Has Tab know the names of reports where this is a notebook or a shell of IPython; else nothing."""
    if "IPython" in sys.modules:
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        if shell is not None:
            complete_names_in(shell)


def complete_names_in(shell: Any) -> None:
    """Has Tab in a shell know the names of its reports."""
    from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

    if getattr(shell, ATTRIBUTE, False):
        return

    def pdm_names(context: CompletionContext) -> SimpleMatcherResult:
        begun, names = _named(context.text_until_cursor, shell.user_ns)
        found = [SimpleCompletion(name, type="name") for name in names if name.startswith(begun)]
        fragment = begun if context.token.endswith(begun) else context.token
        return SimpleMatcherResult(completions=found, matched_fragment=fragment, suppress=bool(found))

    matcher: Any = context_matcher()
    shell.Completer.custom_matchers.append(matcher(pdm_names))
    setattr(shell, ATTRIBUTE, True)


def _named(text: str, variables: dict[str, Any]) -> tuple[str, list[str]]:
    """The beginning of a name at the end of a line, and the names that can stand there."""
    found = _ASKED.search(text)
    report = variables.get(found[1]) if found else None
    if found is None or not isinstance(report, Questions):
        return "", []
    return found[3], list(report._names_for(found[2]))
