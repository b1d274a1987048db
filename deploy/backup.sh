#!/bin/sh
# Back up the compose stack while it runs: Airflow's database and the home, each verified. The folder should be on another disk.
#   sh deploy/backup.sh /backups/rotation
# Makes <folder>/airflow/<time>.dump and <folder>/home/<time>/. Not in it: the secrets, .env and the published files, which a run makes again.
set -eu
folder=${1:-${ROTATION_BACKUP_DIR:-}}
if [ -z "$folder" ]; then
    echo "No backup was made: name a folder on another disk, such as: sh deploy/backup.sh /backups/rotation" >&2
    exit 2
fi
mkdir -p "$folder/airflow" "$folder/home"
folder=$(cd "$folder" && pwd)
cd "$(dirname "$0")/.."
umask 077

# The database first: a run that ends in between is then in the home and not in Airflow, and running it again changes nothing.
dump="$folder/airflow/$(date -u +%Y%m%dT%H%M%SZ).dump"
trap 'rm -f "$dump.partial"' EXIT
docker compose exec -T postgres pg_dump -U airflow --format=custom airflow > "$dump.partial"
docker compose exec -T postgres pg_restore --list < "$dump.partial" > "$dump.list"
tables=$(grep -c 'TABLE DATA' "$dump.list") || { echo "No backup was made: the dump of Airflow's database holds no table." >&2; exit 1; }
rm "$dump.list"
mv "$dump.partial" "$dump"
echo "backup $dump ($tables tables, $(wc -c < "$dump") bytes)"

# The container's user writes there, whoever made the folder.
docker compose run --rm --no-deps -T --user 0 --cap-add CHOWN --entrypoint chown \
    --volume "$folder/home:/var/lib/rotation/backups" scheduler 50000:50000 /var/lib/rotation/backups
docker compose run --rm --no-deps -T --env ROTATION_BACKUP_DIR=/var/lib/rotation/backups \
    --volume "$folder/home:/var/lib/rotation/backups" scheduler python -m cli.backup
