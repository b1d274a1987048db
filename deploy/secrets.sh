#!/bin/sh
# Make the secret files of the compose stack, once: what is there already is never touched, and no value is printed.
# The folder is ROTATION_SECRETS_DIR, else ./secrets; its name is written into .env, where docker compose looks for it.
set -eu
cd "$(dirname "$0")/.."

folder=${ROTATION_SECRETS_DIR:-}
if [ -z "$folder" ] && [ -f .env ]; then
    folder=$(sed -n 's/^ROTATION_SECRETS_DIR=//p' .env | tail -n 1)
fi
folder=${folder:-./secrets}

umask 077
mkdir -p "$folder"
# The folder keeps other users of this machine out. The files are readable because a container's user is not you.
chmod 700 "$folder"

make_file() { # name, value (read from standard input)
    if [ -e "$folder/$1" ]; then
        echo "kept  $folder/$1"
        cat > /dev/null
    else
        cat > "$folder/$1.new"
        chmod 644 "$folder/$1.new"
        mv "$folder/$1.new" "$folder/$1"
        echo "made  $folder/$1${2:+ ($2)}"
    fi
}
random_hex() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
from_dotenv() { if [ -f .env ]; then sed -n "s/^$1=//p" .env | tail -n 1 | tr -d "\"' \n"; fi; }

for name in postgres_password redis_password jwt_secret api_secret_key superset_secret_key superset_postgres_password; do
    random_hex 32 | make_file "$name"
done
random_hex 12 | make_file admin_password "user admin of the web interface"
random_hex 12 | make_file dashboards_admin_password "user admin of the dashboards, profile bi"
random_hex 12 | make_file dashboards_analyst_password "user analyst of the dashboards, who reads"
head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' | make_file fernet_key

# Optional ones start empty, or with what .env has.
from_dotenv FRED_API_KEY | make_file fred_api_key "optional: the free key of the St. Louis Fed"
from_dotenv FDIC_API_KEY | make_file fdic_api_key "optional: a free key of api.data.gov"
: | make_file smtp_default "optional: the mail server of the alerts, as an Airflow connection"
from_dotenv ROTATION_ALERT_WEBHOOK_URL | make_file alert_webhook "optional: the URL that alerts are posted to"

if [ ! -f .env ] || ! grep -q '^ROTATION_SECRETS_DIR=' .env; then
    if [ -f .env ] && [ -n "$(tail -c 1 .env)" ]; then echo >> .env; fi
    echo "ROTATION_SECRETS_DIR=$folder" >> .env
    echo "wrote ROTATION_SECRETS_DIR=$folder to .env"
fi
echo "Nothing is printed here; the password of the web interface is in $folder/admin_password, those of the dashboards in $folder/dashboards_*."
