"""Pages in a real browser: what axe-core finds against them, and whether they fit their window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import need

DAY = ("--window-size=1280,1000",)
NIGHT_ON_A_PHONE = ("--blink-settings=preferredColorScheme=0", "--window-size=500,900")
"""Chromium makes no window narrower than 500 pixels."""
_PACKAGE = Path(__file__).parent / "axe"


def axe_source(workshop: Path) -> str:
    """The source of axe-core, which judges a page by the rules for accessible content; npm installs it in workshop."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PACKAGE / name, workshop)
    install = [need("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    subprocess.run(install, cwd=workshop, check=True, capture_output=True, timeout=120)
    return (workshop / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def in_chromium(page: Path, profile: Path, *options: str) -> str:
    """The document that Chromium makes of a page, after its scripts have run."""
    command = [*(need("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"), *options]
    command += [f"--user-data-dir={profile}", "--virtual-time-budget=20000", f"file://{page}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def judged(page: Path, axe: str, workshop: Path, options: Sequence[str] = ()) -> tuple[list[str], float]:
    """What axe finds against a page, and how many pixels the page is wider than the window: ([], 0) for a good one.

    Everything that can be unfolded is open when the page is judged.
    """
    written = page.read_text(encoding="utf-8")
    opened = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", written)  # or axe could not run
    script = (
        f"<script>{axe}</script><script>document.querySelectorAll('details').forEach(each => each.open = true);"
        "axe.run().then(found => {"
        "const told = found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200)).join(' ; '));"
        "const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;"
        "document.body.textContent = 'FOUND' + JSON.stringify([told, wide]) + 'END'; })</script>"
    )
    copy = workshop / page.name
    copy.write_text(opened.replace("</body>", script + "</body>"), encoding="utf-8")
    shown = in_chromium(copy, workshop / "profile", *options)
    found = re.search(r"FOUND(.*)END", shown, re.DOTALL)
    assert found, shown[-500:]
    told, wide = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    return told, wide
