#!/usr/bin/env bash
# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The part of the official image's entry point that the Compose file uses: the first start makes the cluster with a password.
set -euo pipefail

wrapped() { # initdb wants its user in /etc/passwd
    printf 'postgres:x:%s:%s::/:/bin/false\n' "$(id -u)" "$(id -g)" >/tmp/passwd
    printf 'postgres:x:%s:\n' "$(id -g)" >/tmp/group
    LD_PRELOAD=$(echo /usr/lib/*/libnss_wrapper.so) NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/tmp/group "$@"
}

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p "$PGDATA"
    wrapped initdb --username="$POSTGRES_USER" --pwfile=<(tr -d '\n' <"$POSTGRES_PASSWORD_FILE"; echo) --auth-local=trust         --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} --pgdata="$PGDATA"
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    # Reachable for nobody until the database is there, or a health check would pass too early.
    wrapped pg_ctl --pgdata="$PGDATA" -w start -o "-c listen_addresses= -c unix_socket_directories=/var/run/postgresql"
    [ "$POSTGRES_DB" = postgres ] ||
        psql -h /var/run/postgresql -U "$POSTGRES_USER" -d postgres -q -c "CREATE DATABASE \"$POSTGRES_DB\""
    wrapped pg_ctl --pgdata="$PGDATA" -w -m fast stop
fi
if [ "$1" = postgres ]; then
    shift
    set -- postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql "$@"
fi
exec "$@"
