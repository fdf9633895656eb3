#!/bin/sh
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Look how the environments are: the first thing to run in trouble.
#
# Ends with 2 where anything is critical, else 3 for an unknown environment, a bad option or an environment where no check
# could run or that ansible-playbook did not get to, else 1 for any warning or unknown, else 0.
set -u

ENVIRONMENTS="local staging production"
FORMATS="console report json"
CANNOT=3

environment=''
format=''
errors_in_json=''
sandbox=''
verbose=''
scratch=''
playbook=''

usage() {
    cat <<'END'
Usage: scripts/health-check.sh [--sandbox] [--verbose] [all|local|staging|production] [console|report|json]
                               [-- more arguments for ansible-playbook]

  all      every environment (the default)
  console  a table, the worst first (the default)
  report   the table, and where the page for a browser is
  json     nothing but JSON on standard output

  --sandbox   staging and production on the emulated AWS of this machine (SANDBOX_PORT, default 4566)
  --verbose   show on standard error what ansible-playbook says

Ends with 2: something is critical; 3: an unknown environment, a bad option, or an environment where no check could run
or that ansible-playbook did not get to; 1: something is a warning or unknown; 0: everything is healthy. A number stands
only where none before it does.
END
}

# As it can stand in a JSON string, or on one line of a terminal.
plain() {
    printf '%s' "$1" | LC_ALL=C tr '\n\t' '  ' | LC_ALL=C tr -cd '\040-\176'
}

# escaped TEXT: as it stands in a JSON string.
escaped() {
    printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'
}

# json_is_wanted ARGUMENT...: an error is told in the format that was asked for, wherever the word stands.
json_is_wanted() {
    for argument; do
        case $argument in
            --) return 1 ;;
            json) return 0 ;;
        esac
    done
    return 1
}

# cannot MESSAGE: tell why nothing could be checked, and end.
cannot() {
    if [ -n "$errors_in_json" ]; then
        printf '{"timestamp": "%s", "status": "unknown", "total_checks": 0, "critical_issues": 0, "warning_issues": 0, ' \
            "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        printf '"unknown_checks": 0, "healthy_services": 0, "environments": [], "results": [], "exit_status": %d, ' "$CANNOT"
        printf '"error": "%s"}\n' "$(escaped "$(plain "$1")")"
    else
        printf 'health-check: %s\n' "$(plain "$1")" >&2
    fi
    exit "$CANNOT"
}

# in_words FILE: what ansible-playbook said last of what went wrong, on one line.
in_words() {
    words=$(grep -E 'ERROR|fatal:|^ *msg:' "$1" 2>/dev/null | tail -n 3 | cut -c 1-800)
    [ -n "$words" ] || words=$(tail -n 3 "$1" 2>/dev/null | cut -c 1-800)
    plain "${words:-it says why above}"
}

# shellcheck disable=SC2329  # by the trap
clean() {
    [ -z "$scratch" ] || rm -rf "$scratch"
}

# shellcheck disable=SC2329  # by the trap
interrupted() {
    [ -z "$playbook" ] || kill "$playbook" 2>/dev/null
    [ -z "$playbook" ] || wait "$playbook" 2>/dev/null
    cannot "it was interrupted, so nothing is known. Run the same command again"
}

# among WORD LIST: whether the list has the word.
among() {
    case "$1" in *' '* | '') return 1 ;; esac
    case " $2 " in *" $1 "*) return 0 ;; esac
    return 1
}

# take WORD: an environment or a format, each at most once.
take() {
    if among "$1" "all $ENVIRONMENTS" && [ -z "$environment" ]; then
        environment=$1
    elif among "$1" "$FORMATS" && [ -z "$format" ]; then
        format=$1
    elif among "$1" "all $ENVIRONMENTS $FORMATS"; then
        cannot "'$1' is one too many: allowed is one environment and one format. For example: scripts/health-check.sh all report"
    else
        cannot "'$1' is neither an environment (all, local, staging, production) nor a format (console, report, json). \
For example: scripts/health-check.sh all report"
    fi
}

json_is_wanted "$@" && errors_in_json=yes
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --sandbox) sandbox=yes ;;
        -v | --verbose) verbose=yes ;;
        --)
            shift
            break
            ;;
        -*) cannot "'$1' is no option: allowed are --sandbox, --verbose, --help. One of ansible-playbook's own: -- $1" ;;
        *) take "$1" ;;
    esac
    shift
done
: "${environment:=all}" "${format:=console}"

# Where this script is, also when it is called by a link.
self=$0
while [ -L "$self" ]; do
    target=$(readlink "$self")
    case $target in
        /*) self=$target ;;
        *) self=$(dirname -- "$self")/$target ;;
    esac
done
root=$(CDPATH='' cd -- "$(dirname -- "$self")/.." && pwd) || cannot "the folder of this script is gone"
cd "$root" || cannot "$root cannot be entered"

if [ -x .venv/bin/ansible-playbook ]; then
    ansible=$root/.venv/bin/ansible-playbook
else
    ansible=$(command -v ansible-playbook) ||
        cannot "ansible-playbook is neither in $root/.venv/bin nor on PATH. Make the virtual environment: make venv"
fi

trap clean EXIT
trap interrupted HUP INT TERM
scratch=$(mktemp -d 2>/dev/null) || cannot "no temporary folder can be made. See: df -h \"\${TMPDIR:-/tmp}\""

# What is put in front of the person's own arguments, the last of it first. The overlay comes after the others, to win.
name=health
if [ "$environment" != all ]; then
    ENVIRONMENTS=$environment
    name=health-$environment
fi
# It is for AWS: the local phase does without.
[ "$environment" = local ] && sandbox=''
[ -z "$sandbox" ] || name=sandbox-$name
set -- -e "mcp_health_report=$name" -e "{\"mcp_health_copy_dir\": \"$(escaped "$scratch")\"}" "$@"
[ -z "$sandbox" ] || set -- -i inventories/sandbox "$@"
for one in production staging local; do
    among "$one" "$ENVIRONMENTS" || continue
    [ -e "inventories/$one" ] ||
        cannot "there is no inventories/$one. Make it, or name another environment: all, local, staging, production"
    set -- -i "inventories/$one" "$@"
done
if [ -n "$sandbox" ]; then
    # The person's own AWS settings stay out of play.
    unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_ENDPOINT_URL
    unset AWS_REGION AWS_DEFAULT_REGION
    export AWS_EC2_METADATA_DISABLED=true
fi
# Ansible refuses to start in a locale that is not UTF-8; where none is set Python takes one.
case ${LC_ALL:-${LC_CTYPE:-${LANG:-UTF-8}}} in
    *[Uu][Tt][Ff]-8* | *[Uu][Tt][Ff]8*) ;;
    *)
        LC_ALL=$(locale -a 2>/dev/null | grep -i -E '^(C|en_US)\.utf-?8$' | head -n 1)
        export LC_ALL="${LC_ALL:-C.UTF-8}"
        ;;
esac
# A world-writable checkout's ansible.cfg would be ignored; said by name it is not. The others would hide the collection.
[ -n "${ANSIBLE_CONFIG:-}" ] || export ANSIBLE_CONFIG="$root/ansible.cfg"
unset ANSIBLE_COLLECTIONS_PATH ANSIBLE_COLLECTIONS_PATHS

said=$scratch/said
if [ -n "$verbose" ]; then
    "$ansible" playbooks/health.yml "$@" >&2 &
else
    [ ! -t 2 ] || printf 'Looking at %s ...\n' "$ENVIRONMENTS" >&2
    ANSIBLE_NOCOLOR=1 "$ansible" playbooks/health.yml "$@" >"$said" 2>&1 &
fi
playbook=$!
wait "$playbook"
ended=$?
playbook=''

# Written last, by this run alone.
if ! { read -r status <"$scratch/exit-status"; } 2>/dev/null; then
    reason=$(in_words "$said")
    [ "$ended" -ne 0 ] || reason="with --check, --list-tasks and the like there is none. For that: \
ansible-playbook playbooks/health.yml --check"
    case $reason in
        *'module_defaults group pratikoai.mcp_servers'*)
            cannot "ansible-playbook does not find the collection pratikoai.mcp_servers. Link this checkout, and make the \
virtual environment: make venv"
            ;;
    esac
    cannot "ansible-playbook ended with $ended and wrote no report: $reason  All of it: the same command with --verbose"
fi
# It fails on purpose where something is critical. Where nothing is, somebody or something is missing in the report.
lost=''
if [ "$ended" -ne 0 ] && [ "$status" -ne 2 ]; then
    lost=yes
    status=$CANNOT
fi
case $format in
    json) sed "s/^\( *\"exit_status\": \)[0-9]*/\1$status/" "$scratch/health.json" ;;
    *) cat "$scratch/health.txt" ;;
esac || {
    # Whoever reads standard output has none of it, and JSON would go the same way.
    errors_in_json=''
    cannot "what was found out could not be written to standard output; is the disk full?"
}
[ -z "$lost" ] || printf 'health-check: ansible-playbook ended with %d, and nothing critical explains it, so this ends with %d: %s  %s\n' \
    "$ended" "$status" "$(in_words "$said")" "All of it: the same command with --verbose" >&2
if [ "$format" = report ]; then
    page=''
    { read -r page <"$scratch/page"; } 2>/dev/null
    case $page in
        '') printf 'page: could not be written; the same command with --verbose says why\n' ;;
        /*) printf 'page: %s\n' "$page" ;;
        *) printf 'page: %s/%s\n' "$root" "$page" ;;
    esac
fi
exit "$status"
