#!/usr/bin/env bash
# Weekly, from cron: record outcomes (also those of an earlier rule), retrain, monitor. One run at a time; everything
# said goes to the log, and what went wrong also to stderr in a sentence, which cron mails.
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
# configuration); 71 the lock cannot be had for another reason than another run; 74 every step did its work, but the log
# could not be written. Without outcomes nothing is retrained; monitoring runs in any case.
set -uo pipefail
shopt -s lastpipe # what into_log keeps is read after its pipe

say() {
    echo "weekly_retrain: $*" >&2
}

# Without this, asking for help would retrain.
if [[ $# -eq 1 && ($1 == -h || $1 == --help) ]]; then
    cat <<'HELP' || exit 74
Usage: weekly_retrain.sh

  Record outcomes, retrain and monitor, once a week from cron. It takes no arguments; these variables configure it:

  DATABASE_URL       the database, by the URL of the role that may write
  STRUGGLE_ENV_FILE  a file that sets DATABASE_URL
  STRUGGLE_SCHEMA    the app's schema.prisma
  PYTHON             the interpreter (.venv/bin/python beside scripts/, else python3)
  MODELS_DIR         the directory of models (STRUGGLE_MODELS_DIR, else models/)
  SINCE              a new challenger is judged on what is newer (7 days ago)
  LOG                the log file (weekly_retrain.log in the directory of models)

  Exit codes:
    0    everything was done
    1    monitoring raised an alert
    2    arguments were given
    71   the lock cannot be taken
    74   everything was done, but the log could not be written
    75   another run is under way
    78   a variable or the installation cannot be used as it is
    else that of the first step that failed
HELP
    exit 0
fi
if (($#)); then
    say "no arguments are taken: see weekly_retrain.sh --help"
    exit 2
fi

script=${BASH_SOURCE[0]}
while [[ -L $script ]]; do # cron may know it by a link in /etc/cron.weekly
    target=$(readlink -- "$script")
    [[ $target == /* ]] || target=$(dirname -- "$script")/$target
    script=$target
done
house=$(cd -- "$(dirname -- "$script")/.." && pwd)
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
lock=$models/.weekly.lock
for path in "$log" "$lock"; do
    if [[ -L $path && $path != /dev/* ]]; then
        say "$path is a link, and nothing is written through it"
        exit 78
    fi
done
if ! { mkdir -p "$models" && : >>"$log" && exec 9>>"$lock"; } 2>/dev/null; then
    say "$models or $log cannot be written"
    exit 78
fi

# Where there is no flock, as on macOS, Python takes the same lock on the same open file.
take_lock() {
    if command -v flock >/dev/null; then
        flock --nonblock --conflict-exit-code 75 9
    else
        "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(75)
except OSError as error:
    sys.exit(f"flock: {error.strerror}")'
    fi
}

why=$(take_lock 2>&1)
case $? in
0) ;;
75)
    say "another run is under way"
    exit 75
    ;;
*)
    say "$lock cannot be locked: ${why//[[:cntrl:]]/ }"
    exit 71
    ;;
esac

first_failure=0

log_failed=0

# Every line for the log comes through here, and `sentence` keeps the last in which a step says why it failed. Where the
# disk is full the rest is read and dropped, so that no step stops.
into_log() {
    local line failed=0
    sentence=
    while IFS= read -r line || [[ -n $line ]]; do
        [[ $line == 'Error: '* ]] && sentence=${line#Error: }
        ((failed)) || { printf '%s\n' "$line" >>"$log"; } 2>/dev/null || failed=1
    done
    return "$failed"
}

# A command's own codes are kept; 1 becomes 70, lest it pass for an alert, which only monitoring raises.
run() {
    local code
    {
        printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"
        "$python" "$house/scripts/$1" "${@:2}" 2>&1
        code=$?
        [[ $code -ne 1 || $1 == monitor.py ]] || code=70
        printf '%s %s ended with %d\n' "$(date -u +%FT%TZ)" "$1" "$code"
        exit "$code"
    } 9>&- | into_log 9>&-
    local ends=("${PIPESTATUS[@]}")
    code=${ends[0]}
    ((ends[1])) && log_failed=1
    if ((code)); then
        if ((code == 1)); then say "monitoring raised an alert, see $log"; else say "$1 ended with $code, see $log${sentence:+: $sentence}"; fi
        ((first_failure)) || first_failure=$code
    fi
    return "$code"
}

run record_outcomes.py --again && run retrain_model.py --since "$since" --models-dir "$models"
run monitor.py --days 7 --models-dir "$models" --state "$models/monitoring.json"
if ((log_failed)); then
    say "$log could not be written: is its disk full?"
    ((first_failure)) || first_failure=74
fi
exit "$first_failure"
