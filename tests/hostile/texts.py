"""Texts that a stranger may write, each with what it tries."""

from __future__ import annotations

from collections.abc import Mapping

PERSON = "Ada Lovelace, +1 (312) 555-0142, ada.lovelace@mail.example, 12 Old Mill Road, 203.0.113.9"
TEXTS: Mapping[str, str] = {
    "script": "<script>window.HACKED=1</script>",
    "image": "<img src=x onerror='window.HACKED=1'>",
    "closing": "</td></table></div></body></html><h1>All is well</h1>",
    "attribute": '" onmouseover="window.HACKED=1" x="',
    "svg": "<svg/onload=window.HACKED=1>",
    "frame": "<iframe src='javascript:parent.HACKED=1'></iframe>",
    "style": "<style>*{display:none}</style>",
    "base": "<base href='https://evil.example/'><form action=//evil.example><input name=q autofocus>",
    "template": "{{ 7*7 }} {% for x in (1,) %}{{ x }}{% endfor %} ${7*7} #{7*7}",
    "link": "[All is well](https://evil.example/a)",
    "reference": "[x]: https://evil.example/b 'y'\n[x]",
    "picture": "![x](https://evil.example/track.png)",
    "bare address": "look at https://evil.example/c and www.evil.example/d",
    "angled address": "<https://evil.example/e>",
    "script address": "[x](javascript:window.HACKED=1)",
    "data address": "data:text/html,<script>window.HACKED=1</script>",
    "heading": "# Status: GREEN\n\n## All is well",
    "table": "a | b | c\n--- | --- | ---\n1 | 2 | 3",
    "code": "```\n# out\n```",
    "quote": "> quoted\n\n---\n\n- [ ] task",
    "mention": "@channel <!here> <@U123> <https://evil.example/f|click>",
    "math": "$$\\def\\x{\\x\\x}\\x$$ \\(\\require{bbox}\\)",
    "entity": "&lt;script&gt;window.HACKED=1&lt;/script&gt; &#60;b&#62;",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b5m",
    "carriage": "ERROR\rStatus: GREEN\x08\x08\x08",
    "right to left": "\u202eNEERG\u202c \u2066x\u2069 \u200fab",
    "invisible": "ok\u200b\u200c\u200d\ufeff\u00ad",
    "combining": "e" + "\u0301" * 400,
    "surrogate": "half \ud83d emoji",
    "null": "a\x00b",
    "wide": "\u4e16" * 3000,
    "long": "T" * 105_000,
    "no space": "x/" * 20_000,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60,
    "csv": '=HYPERLINK("https://evil.example/g","x")',
    "yaml": "!!python/object/apply:os.system ['true']",
    "json": '{"a": [1, {"b": "\\u0000"}]}',
    "sql": "'; DROP TABLE readings; --",
    "path": "../../../../etc/passwd\\..\\x",
    "person": PERSON,
    "opening": "GET /reset?token=c4n4ry-t0ken-1234&next=/",
}
"""Name of what it tries -> the text."""
