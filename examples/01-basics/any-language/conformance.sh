#!/usr/bin/env bash
# The tasks of `naq conformance handler`, in a shell that knows no JSON: docs/handler-protocol.md says what each does.
#
#   naq conformance handler --one-shot ./conformance.sh
#
# It cuts values out of the request by the names of their neighbours. That holds for the order in which NAQ writes them,
# and for these tasks; a real handler takes jq or another language.
set -euo pipefail
export LC_ALL=C.UTF-8
request=$(cat)

# The value between the first `"$1":` and the last `,"$2":`.
between() {
    local rest=${request#*\"$1\":}
    value=${rest%,\"$2\":*}
}

between args attempt
args=$value
result() { printf '{"result":%s}\n' "$1"; }
fails() { printf '{"error":{"kind":"ConformanceError","message":"%s"}}\n' "$1"; }

case $NAQ_TASK in
    conformance.echo) result "$args" ;;
    conformance.size) result "$((${#args} - 2))" ;;
    conformance.error)
        between snoozes last_error
        if ((NAQ_ATTEMPT > 1 || value > 0)); then
            result '"done"'
        else
            printf '{"error":%s}\n' "$args"
        fi
        ;;
    conformance.steps)
        checkpoint=${request##*\"checkpoint\":}
        checkpoint=${checkpoint%\}}
        if [[ $checkpoint != null ]]; then
            result "$checkpoint"
        else
            printf '%s\n' '{"progress":{"done":1,"total":2,"message":"half"}}' '{"checkpoint":{"step":1,"of":"größer"}}'
            fails 'half way'
        fi
        ;;
    conformance.attempt)
        if ((NAQ_ATTEMPT < args)); then
            fails "attempt $NAQ_ATTEMPT of $NAQ_MAX_ATTEMPTS fails"
        else
            between last_error timeout_ms
            result "$value"
        fi
        ;;
    conformance.slow)
        sleep "$((args / 1000)).$(printf %03d "$((args % 1000))")"
        result '"done"'
        ;;
    conformance.die)
        between crashes snoozes
        ((value > 0)) || kill -KILL $$
        result "$value"
        ;;
    *) exit 64 ;;
esac
