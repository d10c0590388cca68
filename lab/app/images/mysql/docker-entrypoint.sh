#!/usr/bin/env bash
# Subset of the official image's contract: MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER and MYSQL_PASSWORD matter at
# the first start only. No password is ever an argument or a file: the SQL reaches mysqld through a pipe.
set -euo pipefail

datadir=/var/lib/mysql
# Written last, so that a bootstrap cut short is done again and not mistaken for a database.
marker=$datadir/.bootstrapped

# An SQL string literal, whatever the value holds (default sql_mode: backslash escapes).
literal() {
    local value=${1//\\/\\\\}
    value=${value//\'/\\\'}
    value=${value//$'\n'/\\n}
    printf "'%s'" "$value"
}

bootstrap_sql() {
    local root user password database
    root=$(literal "$MYSQL_ROOT_PASSWORD")
    echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $root;"
    echo "CREATE USER 'root'@'%' IDENTIFIED BY $root;"
    echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    if [[ -n ${MYSQL_DATABASE:-} ]]; then
        database="\`${MYSQL_DATABASE//\`/\`\`}\`"
        echo "CREATE DATABASE $database;"
    fi
    if [[ -n ${MYSQL_USER:-} && -n ${MYSQL_PASSWORD:-} ]]; then
        user=$(literal "$MYSQL_USER")
        password=$(literal "$MYSQL_PASSWORD")
        echo "CREATE USER $user@'%' IDENTIFIED BY $password;"
        [[ -z ${MYSQL_DATABASE:-} ]] || echo "GRANT ALL ON $database.* TO $user@'%';"
    fi
    echo "SHUTDOWN;"
}

if [[ $1 == mysqld && $(id -u) == 0 ]]; then
    chown mysql:mysql "$datadir" /var/run/mysqld
    exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

if [[ $1 == mysqld && ! -e $marker ]]; then
    if [[ -z ${MYSQL_ROOT_PASSWORD:-} ]]; then
        echo "mysql: MYSQL_ROOT_PASSWORD is not set; the first start needs it" >&2
        exit 1
    fi
    echo "mysql: initialising $datadir" >&2
    find "$datadir" -mindepth 1 -delete
    # Nothing of a bootstrap cut short is kept, so nothing of it needs to survive a crash.
    quick=(--innodb-doublewrite=OFF --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync)
    mysqld "${quick[@]}" --initialize-insecure
    mysqld --skip-networking --init-file=/dev/fd/9 9< <(bootstrap_sql)
    sync -f "$datadir"
    touch "$marker"
    echo "mysql: initialised" >&2
fi

exec "$@"
