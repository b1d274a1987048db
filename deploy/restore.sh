#!/bin/sh
# Restore the compose stack from what deploy/backup.sh made, into empty volumes, and start it.
#   sh deploy/restore.sh /backups/rotation [<time of the home>] [<time of the dump>]      without times: the newest of each
# The secrets folder and .env must be there: the same ones, or new ones from `make secrets`.
# Each part is restored only where nothing is yet, so a call that was interrupted can be repeated.
set -eu
folder=${1:-}
if [ ! -d "$folder/home" ] || [ ! -d "$folder/airflow" ]; then
    echo "Not restored: name the folder that deploy/backup.sh wrote to, such as: sh deploy/restore.sh /backups/rotation" >&2
    exit 2
fi
folder=$(cd "$folder" && pwd)
home=${2:-$(ls "$folder/home" | tail -n 1)}
dump=${3:-$(cd "$folder/airflow" && ls ./*.dump | tail -n 1)}
dump="$folder/airflow/$(basename "$dump" .dump).dump"
cd "$(dirname "$0")/.."
if [ -n "$(docker compose ps --quiet --status running scheduler worker 2> /dev/null)" ]; then
    echo "Not restored: the stack is running. Stop it (docker compose down), and if its volumes hold anything, remove them (docker compose down --volumes)." >&2
    exit 2
fi

docker compose up -d --wait postgres
tables=$(docker compose exec -T postgres psql -U airflow -d airflow -Atc "select count(*) from pg_tables where schemaname = 'public'")
if [ "$tables" = 0 ]; then
    # All or nothing, so that an interrupted one leaves the database empty.
    docker compose exec -T postgres pg_restore -U airflow -d airflow --no-owner --exit-on-error --single-transaction < "$dump"
    echo "restored Airflow's database from $dump"
else
    echo "Airflow's database holds $tables tables already and stays as it is."
fi

# A home that was restored by an earlier call of this is complete: the restore itself goes on where it was interrupted, and ends with this file.
if docker compose run --rm --no-deps -T scheduler sh -c 'grep -q "\"kind\"" "$ROTATION_HOME/home.json" && test -f "$ROTATION_HOME/warehouse.duckdb"' 2> /dev/null; then
    echo "The home holds a warehouse already and stays as it is."
else
    docker compose run --rm --no-deps -T --volume "$folder/home:/var/lib/rotation/backups:ro" \
        scheduler python -m cli.restore "/var/lib/rotation/backups/$home"
fi

docker compose up -d --wait
echo "The stack is up. There is no publication yet: trigger the session that is named above in the DAG rotation_daily."
