"""Every page that a command or the service makes: escaped, in one frame, readable by everybody, on a phone too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from jinja2 import UndefinedError

from db.writing.open import open_writer
from ml.features.vector import FEATURES, FeatureVector
from ml.model import StrugglePredictionModel
from ml.places import HOUSE
from scripts.benchmarks.monitor import PREDICTION_FIELDS, UNTIL_MS, simulated
from scripts.cohort_report import cohort_report
from scripts.monitor import monitor
from scripts.monitoring.columns import GROWING
from scripts.pages import model as model_page
from scripts.pages import templates
from scripts.pages.model import Asked
from scripts.service import create_app
from scripts.serving import docs
from scripts.try_log import try_log
from scripts.versions import page as compare_page
from scripts.versions.comparison import compared
from scripts.versions.standing import standing
from tests.support.accessible import DAY, NIGHT_ON_A_PHONE, axe_source, judged
from tests.support.school_class import fill_class
from tests.support.small_platform import make_platform
from tests.support.trained_models import scorecard

HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"
AS_OF = "2025-10-09T08:53:20Z"
NAMES = (
    "monitor",
    "small",
    "empty",
    "model",
    "no-card",
    "compare",
    "local",
    "trial",
    "small-trial",
    "class",
    "few",
    "docs",
)


def document(name: str) -> dict[str, object]:
    """An OpenAPI document with one operation, whose names are this one."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    operation = {
        "description": name,
        "requestBody": {"content": content},
        "responses": {"200": {"content": content}, "204": {"description": name}},
    }
    return {
        "info": {"title": name, "description": name},
        "paths": {f"/{name}": {"post": operation}},
        "components": {"schemas": {name: {"title": name, "type": "object"}}},
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of every kind, full and nearly empty ones."""
    made = tmp_path_factory.mktemp("pages")
    found = {name: made / f"{name}.html" for name in NAMES}
    for name, rows in (("monitor", 3000), ("small", 1), ("empty", 0)):
        url = f"file:{made}/{name}.sqlite3"
        with open_writer(url, create=True) as writer:
            writer.create_tables()
            writer.insert("StrugglePrediction", PREDICTION_FIELDS, list(simulated(rows, max(rows // 50, 1), UNTIL_MS)))
        done = CliRunner().invoke(monitor, ["--database-url", url, "--as-of", AS_OF, "--html", str(found[name])])
        assert done.exit_code in (0, 1), done.output
    model = StrugglePredictionModel.load(os.path.join(HOUSE, "models", "pretrained.pkl"))
    card = json.loads(Path(HOUSE, "models", "pretrained.json").read_text(encoding="utf-8"))
    found["model"].write_text(model_page.page(model, card), encoding="utf-8")
    found["no-card"].write_text(model_page.page(model, {}), encoding="utf-8")
    features = FeatureVector.of({"ability": 0.4}, 0)
    asked = Asked(
        "<b onload=1>", "<i>words</i>", "<u>id</u>", "2026-01-01T00:00:00.000Z", features, model.predict(features)
    )
    found["local"].write_text(model_page.page(model, card, asked), encoding="utf-8")
    assert model.saved is not None
    other = model.saved.but(scorecard=scorecard(1))
    versions = (standing("one", False, model.saved, card), standing("<b onload=1>", True, other, {}))
    found["compare"].write_text(compare_page.page(compared(*versions)), encoding="utf-8")
    make_platform(str(made), learners=60)
    (made / "one.csv").write_text("user_id,item_id,timestamp,correct,skill_id\na,i,1,1,s\n", encoding="utf-8")
    for name, log in (("trial", "log.csv"), ("small-trial", "one.csv")):
        argv = [str(made / log), "--output", str(made / f"{name}-of-a-log"), "--jobs", "1"]
        done = CliRunner().invoke(try_log, argv)
        assert done.exit_code == 0, done.output
        shutil.copy(made / f"{name}-of-a-log" / "trial.html", found[name])
    url = f"file:{made}/class.sqlite3"
    with open_writer(url, create=True) as writer:
        writer.create_tables()
    fill_class(url)
    (made / "ids").write_text("learner-01\n", encoding="utf-8")
    for name, about in (("class", ("--course", "physiology")), ("few", ("--users", str(made / "ids")))):
        done = CliRunner().invoke(cohort_report, ["--database-url", url, *about, "--html", str(found[name])])
        assert done.exit_code == 0, done.output
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"file:{HOUSE}/db/demo.sqlite3")
        found["docs"].write_text(docs.page(create_app().openapi()), encoding="utf-8")
    return found


class Texts(HTMLParser):
    """What a reader sees of a page, pictures' titles and labels included."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = tag == "style"
        self.seen += [value or "" for name, value in attrs if name == "aria-label"]

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.seen.append(data)


def texts(page: Path) -> str:
    reader = Texts()
    reader.feed(page.read_text(encoding="utf-8"))
    return "\n".join(reader.seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_page_has_the_one_frame_and_asks_for_nothing(pages: dict[str, Path], name: str) -> None:
    written = pages[name].read_text(encoding="utf-8")
    style = Path(HOUSE, "scripts", "pages", "style.css").read_text(encoding="utf-8")
    assert written.count("<style") == 1
    assert style in written
    assert written.index("Content-Security-Policy") < written.index("<style>")
    for word in ("<script", " src=", "http:", "https:", "url(", "@import", "{{", "{%", "None", "NaN", "nan"):
        assert word not in written, word
    assert set(re.findall(r'href="([^"#][^"]*)"', written)) <= {"data:,", "openapi.json"}
    colours = re.findall(r"(?:fill|stroke|color)=\"|style=\"(?!max-width:\d+px\")", written)
    assert colours == []  # the stylesheet has the colours


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_parted_from_its_unit_and_plurals_are_right(pages: dict[str, Path], name: str) -> None:
    seen = texts(pages[name])
    assert re.findall(r".{20}\d +%", seen) == []
    assert re.findall(r"\bn(?: =.|.= )\d", seen) == []
    assert re.findall(r"(?<![\d,.])1 \w+s\b(?! was)", seen) == []
    assert name == "docs" or re.findall(r"(?<![\d.:,-])\d{5,}", seen) == []  # a schema is JSON
    assert "\N{MINUS SIGN}0.000" not in seen


@pytest.mark.slow
def test_a_single_prediction_is_told_in_the_singular(pages: dict[str, Path]) -> None:
    assert "1 prediction for 1 learner. " in texts(pages["small"])


def test_the_features_of_the_drift_have_their_meaning_beside_them(pages: dict[str, Path]) -> None:
    seen = texts(pages["monitor"])
    drift = seen.partition("Drift")[2].partition("For whom")[0]
    for feature in (each for each in FEATURES if each.name not in GROWING):
        assert feature.name in drift
        assert feature.meaning.replace(" %", "\N{NO-BREAK SPACE}%") in drift


def test_names_from_outside_are_text_in_every_template(tmp_path: Path) -> None:
    page = docs.page(document(HOSTILE))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5
    assert "49" not in page.partition("</style>")[2]
    with pytest.raises(UndefinedError):
        templates.render("serving/docs.html", title="a page whose other names are missing")
    for template in Path(HOUSE, "scripts").rglob("*.html"):
        if "node_modules" not in template.parts:
            assert "safe" not in re.findall(r"\|\s*(\w+)", template.read_text(encoding="utf-8")), template


def test_only_the_templates_hold_html() -> None:
    tag = re.compile(r"</?(?:html|head|body|style|svg|table|tr|td|div|span|section|li|ul|h[1-6]|p)[ >]")
    sources = [path for path in Path(HOUSE, "scripts").rglob("*.py") if "node_modules" not in path.parts]
    assert [str(path) for path in sources if tag.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_a_page_of_an_installed_predictor_finds_its_templates(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "node_modules", "tests")
    shutil.copytree(HOUSE, tree, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(tree)]
    subprocess.run([*command, "--disable-pip-version-check"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    shipped = {path.relative_to(tree) for path in (tree / "scripts").rglob("*.html")} | {
        Path("scripts/pages/style.css")
    }
    assert all((tmp_path / "installed" / path).is_file() for path in shipped)
    out = tmp_path / "model.html"
    explain = [sys.executable, "-m", "scripts.explain_model", "--out", str(out)]
    subprocess.run(explain, cwd=tmp_path / "installed", check=True, capture_output=True)
    assert "<svg" in out.read_text(encoding="utf-8")


@pytest.mark.slow
def test_commands_that_write_no_page_load_no_template_engine() -> None:
    look = "import sys, scripts.monitor, scripts.explain_model, scripts.service; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, installed once for all pages."""
    return axe_source(tmp_path_factory.mktemp("axe"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, NIGHT_ON_A_PHONE) for name in NAMES),
        *((name, DAY) for name in ("monitor", "model", "trial", "compare", "local")),
    ],
)
def test_axe_finds_nothing_against_a_page_by_day_and_at_night_on_a_phone(
    pages: dict[str, Path], axe: str, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    assert judged(pages[name], axe, tmp_path, options) == ([], 0)


@pytest.mark.slow
def test_axe_sees_what_is_wrong(axe: str, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<html><body><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p></body></html>")
    workshop = tmp_path / "workshop"
    workshop.mkdir()
    told, _ = judged(page, axe, workshop)
    assert {each.partition(":")[0] for each in told} >= {"image-alt", "color-contrast", "html-has-lang"}


WITHOUT_JINJA = "import sys; sys.modules['jinja2'] = None\n"


def without_jinja(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "STRUGGLE_"))}
    command = [sys.executable, "-c", WITHOUT_JINJA + code]
    return subprocess.run(command, cwd=HOUSE, env={**kept, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("script", "arguments"), [("monitor", ["--demo", "--html"]), ("explain_model", ["--out"])])
def test_a_command_that_lacks_the_engine_names_the_extra_and_writes_nothing(
    tmp_path: Path, script: str, arguments: list[str]
) -> None:
    out = tmp_path / "page.html"
    code = f"sys.argv[1:] = {[*arguments, str(out)]}\n"
    code += f"import runpy; runpy.run_module('scripts.{script}', run_name='__main__')"
    ran = without_jinja(code)
    assert (ran.returncode, ran.stdout) == (78, ""), ran.stderr
    assert ran.stderr.splitlines()[-1].endswith("pip install '.[train]'")
    assert not out.exists()


@pytest.mark.slow
def test_the_services_page_names_the_services_extra() -> None:
    code = (
        "import asyncio, httpx; from scripts.service import create_app\n"
        "client = httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app()), base_url='http://localhost')\n"
        "print(asyncio.run(client.get('/docs')).text, asyncio.run(client.get('/openapi.json')).status_code)"
    )
    ran = without_jinja(code, DATABASE_URL=f"file:{HOUSE}/db/demo.sqlite3")
    assert ran.stdout == "This needs jinja2: pip install '.[service]'\n 200\n", ran.stderr
