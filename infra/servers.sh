#!/usr/bin/env bash
# The servers that the integration tests talk to.
#   infra/servers.sh install            Debian packages, where they are missing (needs root)
#   infra/servers.sh run COMMAND ...    start Redis and PostgreSQL on free ports, run COMMAND, stop what was started
# COMMAND sees ASSAY_TEST_REDIS_URL and ASSAY_TEST_POSTGRES_URL. Only processes started here are stopped, by their ids.
set -euo pipefail

packages() {
    local missing=()
    command -v redis-server >/dev/null || missing+=(redis-server)
    [ -n "$(postgres_bin)" ] || missing+=(postgresql)
    command -v chromium >/dev/null || missing+=(chromium)
    [ ${#missing[@]} -eq 0 ] && return 0
    echo "Installing ${missing[*]}" >&2
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "The tests need ${missing[*]}: install them with your system's package manager and try again." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # Debian starts a fresh server as soon as its package is there; the tests start their own.
    mkdir -p /usr/sbin && local policy=/usr/sbin/policy-rc.d own=
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && own=1; }
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    [ -z "$own" ] || rm -f $policy
}

postgres_bin() {
    ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

run() {
    local redis_port pg_port pg_bin pg_user=()
    state=$(mktemp -d)
    redis_port=$(free_port) pg_port=$(free_port) pg_bin=$(postgres_bin)
    redis_pid= pg_pid=
    stop() {
        [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || true
        [ -z "$pg_pid" ] || kill -INT "$pg_pid" 2>/dev/null || true
        wait 2>/dev/null || true
        rm -rf "$state"
    }
    trap stop EXIT
    redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$state" >"$state/redis.log" 2>&1 &
    redis_pid=$!
    mkdir "$state/pg"
    if [ "$(id -u)" -eq 0 ]; then # PostgreSQL refuses to run as root
        chmod 755 "$state" && chown postgres "$state/pg"
        pg_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
    fi
    "${pg_user[@]}" "$pg_bin/initdb" -D "$state/pg/data" -U postgres -A trust --no-sync >"$state/initdb.log" 2>&1 ||
        { cat "$state/initdb.log" >&2; exit 1; }
    "${pg_user[@]}" "$pg_bin/postgres" -D "$state/pg/data" -p "$pg_port" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories="$state/pg" -c fsync=off >"$state/postgres.log" 2>&1 &
    pg_pid=$!
    for _ in $(seq 100); do
        redis-cli -p "$redis_port" ping >/dev/null 2>&1 && "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$pg_port" && break
        kill -0 "$redis_pid" "$pg_pid" 2>/dev/null || { cat "$state"/*.log >&2; exit 1; }
        sleep 0.1
    done
    ASSAY_TEST_REDIS_URL="redis://127.0.0.1:$redis_port/0" \
        ASSAY_TEST_POSTGRES_URL="postgresql+psycopg://postgres@127.0.0.1:$pg_port/postgres" "$@"
}

case ${1:-} in
install) packages ;;
run) shift && run "$@" ;;
*) sed -n '2,5s/^# //p' "$0" >&2 && exit 2 ;;
esac
