"""How good a model is on the history in a database: `python scripts/evaluate_model.py`.

Every labelled visit is predicted as predict.py would have done at its first answer. Evaluate on learners whom the
model was not trained on (--learners FILE): on its own it looks better than it is.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import click

import db
from db.client import Client
from db.errors import DatabaseError, UnknownLearner, UnknownObjective
from ml.errors import InvalidFeatures, PredictorError
from ml.extractor import StruggleFeatureExtractor
from ml.features.vector import FEATURE_NAMES, FeatureVector
from ml.instants import iso, parse_iso
from ml.model import StrugglePredictionModel, load_whole
from ml.scoring import rules
from ml.study.estimates import LearnerEstimates
from ml.study.history import WINDOW, StudyHistory
from scripts.cli.correct_option import correct_from_option
from scripts.cli.database_options import database_options
from scripts.cli.exits import CONFIGURATION, UNAVAILABLE, UNKNOWN, USAGE, ExtraMissing, Refused, of_database
from scripts.cli.extras import Extras
from scripts.cli.model_options import model_option
from scripts.cli.output_file import OutputPath, write_whole
from scripts.cli.streams import in_one_line
from scripts.workers.backends import Workers, WorkersLost
from scripts.workers.options import engine_options, names_workers, workers_of

extras = Extras()
with extras:
    import numpy as np

    from ml.evaluation.figures import Evaluation, Figure, evaluate
    from ml.evaluation.slices import Slice, history_band, slices
    from ml.training.examples import ExampleSet, vector_of
    from ml.training.model_card import answers_of
    from ml.training.vectorised import ManyAtOnce, PlainPrediction
    from scripts.labelling.history import learners_named_in, read_examples
    from scripts.labelling.part import Extraction

AT_ONCE = 5000
LAST_ROWS = 10


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@extras.required
@database_options(needed=names_workers)
@model_option()
@click.option("--learners", metavar="FILE", help="Only the learners named in FILE, one id a line.")
@click.option(
    "--struggle-below",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Label a visit by this share right, in place of the platform's definition.",
)
@click.option(
    "--predictions",
    type=OutputPath(),
    metavar="OUT.csv",
    help="Write every labelled visit with its prediction.",
)
@click.option(
    "--explain",
    nargs=3,
    metavar="LEARNER OBJECTIVE AS_OF",
    help="Print rows, estimates, features and contributions of one prediction instead (AS_OF: ISO 8601).",
)
@click.option("--bootstrap", default=1000, show_default=True, type=click.IntRange(0), help="Resamples of the learners.")
@correct_from_option
@engine_options(jobs=2)
@click.option(
    "--json",
    "json_path",
    type=OutputPath(allow_dash=True),
    metavar="OUT.json",
    help="Write all figures here; - is stdout, in place of the table.",
)
def evaluate_model(
    database_url: str,
    schema: str | None,
    model: str | None,
    learners: str | None,
    struggle_below: float | None,
    predictions: str | None,
    explain: tuple[str, str, str] | None,
    bootstrap: int,
    json_path: str | None,
    correct_from: str,
    **engine: Any,
) -> None:
    """Measure a model, or the rules, on labelled visits.

    Figures come with 95 % intervals over learners and the number of visits they rest on. AUC: how well it ranks;
    log-loss, Brier: how good the probabilities are; ECE and calibration slope: whether they can be taken at their
    word.

    \b
    Exit codes:
      0    measured
      2    the arguments
      66   --explain: learner or objective unknown
      69   the database or the workers are unreachable
      74   a file cannot be written
      78   configuration: a model that must not be used, unsupported URL
    """
    workers = workers_of(**engine)
    try:
        judge = load_whole(model, correct_from)
        if judge.instead:
            click.echo(in_one_line(judge.instead), err=True)
        with db.connect(database_url, schema_path=schema) as client:
            if explain is not None:
                found = explained(client, judge, *explain)
            else:
                extraction = Extraction(database_url, schema, client.now(), struggle_below, correct_from=correct_from)
                examples, verdicts = judged(client, judge, extraction, learners_named_in(learners), workers)
                if predictions is not None:
                    write_predictions(predictions, examples, verdicts, judge.source)
                found = measured(examples, verdicts, judge, bootstrap)
    except (UnknownLearner, UnknownObjective) as error:
        raise Refused(str(error), UNKNOWN) from None
    except InvalidFeatures as error:
        raise Refused(str(error), USAGE) from None
    except WorkersLost as error:
        raise Refused(str(error), UNAVAILABLE) from None
    except (ExtraMissing, PredictorError) as error:
        raise Refused(str(error), CONFIGURATION) from None
    except DatabaseError as error:
        raise of_database(error) from None
    text = json.dumps(found, indent=1)
    if json_path not in (None, "-"):
        write_whole(json_path, text + "\n")
    click.echo(text if json_path == "-" or explain is not None else found.pop("text"))


def judged(
    client: Client,
    model: StrugglePredictionModel,
    extraction: Extraction,
    learner_ids: list[str] | None,
    workers: Workers,
) -> tuple[ExampleSet, list[PlainPrediction]]:
    """Labelled visits, and what the model said of each at its first answer."""
    table = model.difficulty
    examples = read_examples(client, extraction, table.path if table else None, learner_ids, workers)
    many = ManyAtOnce(model.saved) if model.saved is not None else None
    verdicts: list[PlainPrediction] = []
    for start in range(0, len(examples), AT_ONCE):
        stop = start + AT_ONCE
        vectors = [vector_of(row, at) for row, at in zip(examples.X[start:stop], examples.as_of_ms[start:stop])]
        verdicts += many.judge(vectors) if many else [_by_rules(vector) for vector in vectors]
    return examples, verdicts


def _by_rules(vector: FeatureVector) -> PlainPrediction:
    prediction = rules.predict(vector)
    return PlainPrediction(prediction.probability, prediction.confidence, *prediction.interval)


def measured(
    examples: ExampleSet, verdicts: list[PlainPrediction], model: StrugglePredictionModel, bootstrap: int
) -> dict[str, object]:
    """All figures, overall and in slices, as plain builtins; `text` is the table for people."""
    y, p = examples.y.astype(float), np.array([verdict.probability for verdict in verdicts])
    threshold = model.saved.figures.get("threshold", 0.5) if model.saved is not None else 0.5
    found = evaluate(y, p, examples.learner, threshold=threshold, bootstrap=bootstrap)
    groups = {
        "answers of history": [history_band(answers) for answers in answers_of(examples.X)],
        "objective": _known(examples),
        "labelled by": ["validation" if validated else "answers" for validated in examples.validated],
        "confidence": _tertiles([verdict.confidence for verdict in verdicts]),
    }
    parts = slices(y, p, examples.learner, groups, threshold=threshold, bootstrap=bootstrap)
    return {
        "model_version": model.model_version,
        "source": model.source,
        "correct_from": model.correct_from,
        **found.to_dict(),
        "slices": [part.to_dict() for part in parts],
        "text": table_of(model.model_version, found, parts, model.correct_from),
    }


def _known(examples: ExampleSet) -> list[str]:
    column = examples.X[:, FEATURE_NAMES.index("expected_struggle")]
    return ["unknown" if missing else "known" for missing in np.isnan(column)]


def _tertiles(confidences: list[float]) -> list[str]:
    if not confidences:
        return []
    marks = np.quantile(confidences, [1 / 3, 2 / 3])
    names = ("1 low", "2 middle", "3 high")
    return [names[int(np.searchsorted(marks, confidence, side="left"))] for confidence in confidences]


def write_predictions(path: str, examples: ExampleSet, verdicts: list[PlainPrediction], source: str) -> None:
    """One CSV row a labelled visit; `answers` counts its graded answers, or prompts where it is a run of prompts."""
    lines = io.StringIO(newline="")
    out = csv.writer(lines, lineterminator="\n")
    out.writerow(["learner_id", "objective_id", "as_of", "answers", "label", "probability", "confidence", "source"])
    for row, (probability, confidence, *_interval) in enumerate(verdicts):
        ids = examples.learner[row], examples.objective[row], iso(int(examples.as_of_ms[row]))
        out.writerow([*ids, examples.answers[row], examples.y[row], repr(probability), repr(confidence), source])
    write_whole(path, lines.getvalue())


def explained(
    client: Client, model: StrugglePredictionModel, learner: str, objective: str, as_of: str
) -> dict[str, object]:
    """Everything one prediction rests on: the learner's last rows, the estimates, the features, the contributions."""
    rows = client.read(learner, objective, parse_iso(as_of), WINDOW)
    history = StudyHistory.before(rows, model.correct_from)
    features = StruggleFeatureExtractor(client, model.difficulty, model.correct_from).features_of(history)
    prediction = model.predict(features)
    estimates = LearnerEstimates.facing([history], model.difficulty)
    past = history.past
    trace = estimates.objectives.get(objective)
    return {
        "correct_from": model.correct_from,
        "learner": learner,
        "objective": objective,
        "as_of": iso(past.as_of_ms),
        "rows": {
            "reviews": len(past.reviews),
            "metrics": len(past.metrics),
            "sessions": len(past.sessions),
            "validations": len(past.validations),
            "last_answers": [
                {"at": iso(r.reviewed_at_ms), "objective": r.objective_id, "card": r.card_id, "rating": r.rating}
                for r in past.reviews[-LAST_ROWS:]
            ],
            "missing_sources": list(rows.missing_sources),
        },
        "estimates": {
            "ability": estimates.ability,
            "answers": estimates.answers,
            "objective_answers": trace.answers if trace else 0,
            "objective_correct": trace.correct if trace else 0,
            "objective_known": objective in estimates.difficulty.objectives,
        },
        "features": features.to_dict(),
        "model_version": prediction.model_version,
        "intercept": prediction.intercept,
        "contributions": [factor.to_dict() for factor in prediction.factors],
        "probability": prediction.probability,
        "confidence": prediction.confidence,
        "interval": list(prediction.interval),
        "reasoning": prediction.reasoning,
    }


def table_of(name: str, found: Evaluation, parts: tuple[Slice, ...], correct_from: str) -> str:
    """The figures for people."""
    lines = [f"{name}: {found.n} labelled visits of {found.learners} learners, {found.struggles} struggles"]
    lines.append(f"  answers are correct from {correct_from}")
    lines += [f"  {label:22} {_figure(figure)}" for label, figure in found.figures.items()]
    if found.ece_noise_floor is not None:
        lines.append(f"  {'ece noise floor':22} {found.ece_noise_floor:.3f}")
    for threshold, decisions in found.decisions.items():
        chosen = " (chosen)" if threshold == found.threshold else ""
        told = ", ".join(f"{label} {_figure(figure)}" for label, figure in decisions.items())
        lines.append(f"  from {threshold:.2f}{chosen}: {told}")
    for part in parts:
        figures = part.evaluation.figures
        told = ", ".join(f"{label} {_figure(figures[label])}" for label in ("auc", "brier", "ece"))
        lines.append(f"  {part.dimension} {part.value} (n = {part.evaluation.n}): {told}")
    return "\n".join(lines)


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return f"- ({figure.reason})"
    bounds = f" [{figure.low:.3f}, {figure.high:.3f}]" if figure.low is not None and figure.high is not None else ""
    return f"{figure.value:.3f}{bounds}"


if __name__ == "__main__":
    evaluate_model()
