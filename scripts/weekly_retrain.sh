#!/usr/bin/env bash
# Weekly, from cron: record outcomes (also those of an earlier rule), retrain, monitor. One run at a time; everything said goes to the log, and what
# went wrong also to stderr in a sentence, which cron mails.
#
#   STRUGGLE_ENV_FILE=/etc/struggle.env
#   15 3 * * 1  /path/to/scripts/weekly_retrain.sh
#
# Environment: DATABASE_URL, or STRUGGLE_ENV_FILE, a file that sets it (in front of the command itself, others could
# see the password in ps); optional STRUGGLE_SCHEMA, PYTHON (default: .venv/bin/python beside this checkout, else
# python3), MODELS_DIR (default: STRUGGLE_MODELS_DIR, else models/), SINCE (default: "7 days ago"), LOG (default:
# $MODELS_DIR/weekly_retrain.log).
# Exit codes: 0 done (promoted or kept), 1 monitoring raised an alert; else that of the first step that failed (2 usage,
# 69 database unreachable, 70 a bug or a broken installation, 75 another run or retraining is under way, 78
# configuration). Without outcomes nothing is retrained; monitoring runs in any case.
set -uo pipefail

say() {
    echo "weekly_retrain: $*" >&2
}

house=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
models=${MODELS_DIR:-${STRUGGLE_MODELS_DIR:-$house/models}}
since=${SINCE:-7 days ago}
python=${PYTHON:-$house/.venv/bin/python}
[[ -n ${PYTHON:-} || -x $python ]] || python=$(command -v python3)
if ! command -v "$python" >/dev/null; then
    say "'$python' is no program that can be run: name the virtual environment's interpreter in PYTHON"
    exit 78
fi
if ! "$python" -c 'import click, numpy, sklearn' 2>/dev/null; then
    say "'$python' lacks the extras that training needs: name another one in PYTHON, or pip install '.[train]'"
    exit 78
fi

# A .env file that lies where cron happens to stand is not meant.
named=${DATABASE_URL:-}${STRUGGLE_ENV_FILE:-}${STRUGGLE_SCHEMA:-}
if [[ -z ${named//[[:space:]\"\']/} ]]; then
    say "no database is named: set DATABASE_URL, or STRUGGLE_ENV_FILE to a file that sets it"
    exit 78
fi

log=${LOG:-$models/weekly_retrain.log}
if ! { mkdir -p "$models" && : >>"$log" && exec 9>"$models/.weekly.lock"; } 2>/dev/null; then
    say "$models or $log cannot be written"
    exit 78
fi
if ! flock --nonblock 9; then
    say "another run is under way"
    exit 75
fi

first_failure=0

# A command's own codes are kept; a traceback's 1 becomes 70, lest it pass for an alert, which only monitoring raises.
run() {
    printf '%s %s\n' "$(date -u +%FT%TZ)" "$*" >>"$log"
    "$python" "$house/scripts/$1" "${@:2}" >>"$log" 2>&1 9>&-
    local code=$?
    [[ $code -ne 1 || $1 == monitor.py ]] || code=70
    printf '%s %s ended with %d\n' "$(date -u +%FT%TZ)" "$1" "$code" >>"$log"
    if ((code)); then
        if ((code == 1)); then say "monitoring raised an alert, see $log"; else say "$1 ended with $code, see $log"; fi
        ((first_failure)) || first_failure=$code
    fi
    return "$code"
}

run record_outcomes.py --again && run retrain_model.py --since "$since" --models-dir "$models"
run monitor.py --days 7
exit "$first_failure"
