"""The one script of the pages, and the policy that lets a browser run it and nothing else.

In: `brief/templates/page.js`. Out: its text, and the content-security policy with its hash. Caveat: the hash
is of the text between the tags to the letter, so the template writes it as it is here.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

SCRIPT = (Path(__file__).resolve().parent / "templates" / "page.js").read_text(encoding="utf-8").strip()
SCRIPT_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode() + "'"
POLICY = f"default-src 'none'; script-src {SCRIPT_SOURCE}; style-src 'unsafe-inline'; img-src data:"
