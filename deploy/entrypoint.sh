#!/bin/sh
# Start of every Airflow container: what is secret comes from files, then the command runs in this process's place.
set -eu

# The optional key of the banks' reports, for the services whose tasks ask for them; FRED's is an Airflow connection (deploy/init.py).
if [ -s /run/secrets/fdic_api_key ]; then
    FDIC_API_KEY=$(cat /run/secrets/fdic_api_key)
    export FDIC_API_KEY
fi

case "$*" in
"airflow api-server"*)
    # Airflow opens this file for writing; it goes with the container.
    umask 077
    python -IS -c 'import json; print(json.dumps({"admin": open("/run/secrets/admin_password").read().strip()}))' \
        > /tmp/simple_auth_manager_passwords.json
    umask 022
    ;;
"airflow celery worker"*)
    if [ "${AIRFLOW__CORE__EXECUTOR:-}" != CeleryExecutor ]; then
        echo "This worker would wait for ever: the stack runs with ROTATION_EXECUTOR=${AIRFLOW__CORE__EXECUTOR:-LocalExecutor}." \
            "Start it with ROTATION_EXECUTOR=CeleryExecutor docker compose --profile celery up -d, or set that in .env." >&2
        exit 78
    fi
    ;;
esac

exec "$@"
