#!/usr/bin/env bash
# Weekly, from cron: record outcomes, retrain, monitor. One run at a time; everything said goes to the log.
#
#   15 3 * * 1  DATABASE_URL=postgresql://... /path/to/scripts/weekly_retrain.sh
#
# Environment: DATABASE_URL; optional PYTHON (default: .venv/bin/python beside this checkout, else python3),
# MODELS_DIR (default: models/), SINCE (default: "7 days ago"), LOG (default: $MODELS_DIR/weekly_retrain.log).
# Exit codes: 0 done (promoted or kept), 1 monitoring raised an alert, 75 another run holds the lock; else that of the
# step that failed (2 usage, 69 database unreachable, 78 configuration).
set -uo pipefail

house=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
models=${MODELS_DIR:-$house/models}
since=${SINCE:-7 days ago}
python=${PYTHON:-$house/.venv/bin/python}
[[ -x $python ]] || python=$(command -v python3)

mkdir -p "$models" || exit 78
log=${LOG:-$models/weekly_retrain.log}
exec 9>"$models/.weekly.lock" || exit 78
if ! flock --nonblock 9; then
    echo "weekly_retrain: another run is under way" >&2
    exit 75
fi

run() {
    printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >>"$log"
    "$python" "$house/scripts/$1" "${@:2}" >>"$log" 2>&1 9>&-
    local code=$?
    printf '%s %s ended with %d\n' "$(date -u +%FT%TZ)" "$1" "$code" >>"$log"
    return "$code"
}

run record_outcomes.py || exit $?
run retrain_model.py --since "$since" --models-dir "$models" || exit $?
run monitor.py --days 7
