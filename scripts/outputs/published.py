"""The schemas under the names by which they are asked for, each with its version.

The version and the hash of a schema stand side by side in VERSIONS. Whoever changes what a command prints

1. raises the version: the first number where a reader of the earlier output could fail (a field goes, or means
   something else), the second where a field or a value is new, the third where only descriptions change;
2. writes the new version and the hash, which tests/commands/test_schemas.py shows, below the earlier ones, which stay.

The first number of the answer's version is its `schema_version`.
"""

from __future__ import annotations

import hashlib
import json

from scripts.outputs.answer import ANSWER
from scripts.outputs.batch_line import BATCH_LINE
from scripts.outputs.cohort_report import COHORT_REPORT
from scripts.outputs.doctor import DOCTOR
from scripts.outputs.export_summary import EXPORT_SUMMARY
from scripts.outputs.failure import FAILURE
from scripts.outputs.import_summary import IMPORT_SUMMARY
from scripts.outputs.learner_export import LEARNER_EXPORT
from scripts.outputs.levels import LEVELS_JSON
from scripts.outputs.monitor_report import MONITOR_REPORT
from scripts.outputs.parts import Schema
from scripts.outputs.retention_summary import RETENTION_SUMMARY
from scripts.outputs.structure_summary import STRUCTURE_SUMMARY
from scripts.outputs.trial_report import TRIAL_REPORT
from scripts.outputs.what_if import WHAT_IF
from scripts.outputs.worker_lines import WORKER_ANSWER, WORKER_FAILURE, WORKER_HELLO, WORKER_REQUEST

DIALECT = "https://json-schema.org/draft/2020-12/schema"

BODIES: dict[str, Schema] = {
    "answer": ANSWER,
    "failure": FAILURE,
    "doctor": DOCTOR,
    "batch-line": BATCH_LINE,
    "monitor-report": MONITOR_REPORT,
    "structure-summary": STRUCTURE_SUMMARY,
    "worker-hello": WORKER_HELLO,
    "worker-request": WORKER_REQUEST,
    "worker-answer": WORKER_ANSWER,
    "worker-failure": WORKER_FAILURE,
    "export-summary": EXPORT_SUMMARY,
    "import-summary": IMPORT_SUMMARY,
    "trial-report": TRIAL_REPORT,
    "learner-export": LEARNER_EXPORT,
    "retention-summary": RETENTION_SUMMARY,
    "levels": LEVELS_JSON,
    "cohort-report": COHORT_REPORT,
    "what-if": WHAT_IF,
}
TITLES = {
    "answer": "A prediction, as predict.py prints it",
    "failure": "A failure, as predict.py prints it",
    "doctor": "The report of predict.py --doctor",
    "batch-line": "A line of predict_batch.py",
    "monitor-report": "The report of monitor.py --json",
    "structure-summary": "What import_structure.py --json prints",
    "worker-hello": "The first line of worker.py",
    "worker-request": "A request to worker.py",
    "worker-answer": "A prediction, as worker.py writes it",
    "worker-failure": "A failure, as worker.py writes it",
    "import-summary": "What import_history.py --json prints",
    "export-summary": "What export_history.py --json prints",
    "trial-report": "What try_log.py --json prints",
    "learner-export": "What export_learner.py prints",
    "retention-summary": "What retention.py --json prints",
    "levels": "levels.json beside the model",
    "cohort-report": "What cohort_report.py --json prints",
    "what-if": "What predict.py --what-if reads",
}
VERSIONS: dict[str, dict[str, str]] = {
    "answer": {
        "1.0.0": "d96af3cb7773f670c625d226e6c0cbe8e4c7c4ac2f2f92f059b9fa83f9480d68",
        "2.0.0": "354d408c77a3be762a49e60718a7b9fdf3a256bb3e2977fb958a8e98d79017d3",
        "2.1.0": "cdeefc320f4920be828bc7b49f4f92d2db66347e7b7340070d1f0f8380f39a87",
        "2.2.0": "8ebacbe4317d4fec0616ab4e318257e5e8ee1a85c386e585619160aafd1e61a8",
        "2.3.0": "77b8c77864553078778798c8087b4bb183c0996a33a12ad2205a839a8ad5a7ff",
        "2.4.0": "c4318a7e90ed5798f847bb6f78571a3d50684fdd3cf1fbdf64e7979cfe4428fb",
        "2.5.0": "fdec347ad46ba5ad493668fec856dd1ffa98a862ca89c0fc134b9e44c10c44db",
        "2.6.0": "a1ae61f3ade02d833171c2ab4c9ba5af798267fdffd398c211c2af16124149ae",
        "2.7.0": "77f8dcf6f215b491bbf965ff45eba4a7ba49dcc9373c344ede3ec14d87ea74a5",
        "2.8.0": "fc65e86dcb80853bbf5d3747f0c76f7f3b633f1971c9e51ed7e7b8a9194904d7",
    },
    "failure": {
        "1.0.0": "e4a10d091c918dfa5254c7973ae5d513d3f8bfc96f17a651ca62cd7af233c34f",
        "1.1.0": "432d8bb422eb70df35af81d5cc1bb877436f5a3a0b77154951b25025586ef879",
    },
    "doctor": {
        "1.0.0": "bdda33d5bc3fc1252e2a4ede0992e3d54b69c73912ca6696037e5b89727a1a79",
        "1.1.0": "cc0be1de29a762a76c8003436233dc14cc556404e38e6550971b0724ea87d9a0",
        "1.2.0": "5b01c284c8d8e937d6497ba5871ff8aeef07fc56ae0ae96f86a1aaa1836ac5fe",
    },
    "batch-line": {
        "1.0.0": "8f41d65c56ed56205c53a49a3c0d814a7e154ae01cad5afcdda9ead3c3ad9117",
        "1.1.0": "5c27bf3ef165385241fc2c53f3e951f516de9fdf74e06bb378f715f6cc888c49",
        "1.2.0": "5246c99c5541436281a53364a06fa530d0692a595f1f45ca157f26e0c5d87fc1",
    },
    "monitor-report": {
        "1.0.0": "f4331c806d62bef91c235ca8dba2931f10c060d4f0b4b003a0e38f0459f65a69",
        "1.1.0": "a68d11a39a9e5b8ba2637944f2a3a2bd0b5c221ddc5be5530c7b47ef95c6c722",
        "1.2.0": "90c63a1c4218d8b8aa6b59541c831feb6bff7b5325bfcbc3ee48c0bfe410305b",
        "2.0.0": "d9768ccf0b0feb0f8830d5a1bf9734090636482ddde2ec63947b53a2fc7e2ce6",
        "2.1.0": "9d9621070befc08fc4e3f5f2c70bfed3cd2314f5bcb1071b601966f50cea7edc",
    },
    "structure-summary": {"1.0.0": "972ff39dd20bac6514accd55d674c153d5e6a10f26ed8755aa5264f9be99d691"},
    "worker-hello": {"1.0.0": "dc8d71b592ade71e7376111fc876a6611333edc59bde2aab043ca477b5fb65fb"},
    "worker-request": {
        "1.0.0": "1bb3650c3b06c130508bfc35ded22d3f8c0ed4d920ef5901158f8ff514e838a4",
        "1.1.0": "a977d8ddb009cad17c9ad6b217088e31514fbb8f4f7a0eb6940f08806b4e489f",
    },
    "worker-answer": {"1.0.0": "ab224ebc49c14cfef149030ff4e12beb9b8e050e043188173bccd7b7bd9f1f48"},
    "worker-failure": {
        "1.0.0": "c1db8610fdc92ca06a16af36f6009b920e5f70f24c142ee1b395b0522e46091f",
        "1.1.0": "d9b88f54188c6eff818049d071564dea048fccd984c43ecf6a0f6c880514ff34",
    },
    "import-summary": {"1.0.0": "84ed9f16d75c5cf4585d2bdf3df8113b733c3d715cf7083c65b554726a022d78"},
    "export-summary": {"1.0.0": "933e5009844283da0df65853d60f5c2fc47136e4ce97067f4a952aeaf040774b"},
    "trial-report": {"1.0.0": "a3a821bbe9b21992ee9aafb606f85b886ba759297f822d42f19f794a1a9cb22b"},
    "learner-export": {
        "1.0.0": "825e209ba28d6526f18a43ab3b5214b18426cc60bb68c035839fd88f8f61f9e8",
        "1.1.0": "79d3f77dc3770dcace97138b6af00f7d562e76a2eb8c38b30735c7a04d3dee81",
    },
    "retention-summary": {"1.0.0": "173fc3dc389feda6f7a26942e8fbc02f98113442d97575296813afbc9398639b"},
    "what-if": {"1.0.0": "3941b707895137f9a8d6a1200c0ebc5e661249420690660e7098916c9da84bd9"},
    "levels": {
        "1.0.0": "8848e0b56697163dbb7d42eb6c13ae99b9f553974b5809f40e2478d837908476",
    },
    "cohort-report": {
        "1.0.0": "81559e32bf4731c88e9b39b421896b3a5e4018ba56e93bc4d6d6177f4a4fef14",
        "1.1.0": "dd2041f4d03179cbf910f1c11451660f3e0aeef2c79cd2e7d6f1b78655aa7533",
        "1.2.0": "15b7d6a2f180e9e6ebf26f22df34254fa118f18825c35faef333d74d7f244ed8",
    },
}
"""Name -> version -> SHA-256 of the schema's body, the newest version last."""


def version(name: str) -> str:
    """The version of the schema of that name."""
    return list(VERSIONS[name])[-1]


def fingerprint(body: Schema) -> str:
    """The SHA-256 of a schema in its canonical form: keys sorted, no spaces."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def schema(name: str) -> Schema:
    """The whole schema of that name, as it is published."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:struggle-predictor:{name}:{version(name)}",
        "title": TITLES[name],
        **BODIES[name],
    }
