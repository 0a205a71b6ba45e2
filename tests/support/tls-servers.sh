#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tls-servers.sh start DIR PORT_GOOD PORT_OTHER_NAME PORT_EXPIRED PORT_EARLY PORT_STRANGER PORT_PLAIN | stop DIR
# HTTPS servers on 127.0.0.1 that answer everything with "hello", each with a certificate of its own; needs nginx, openssl.
# The authority that signed all but the stranger's is DIR/ca.pem; the stranger's is DIR/stranger.pem. PORT_PLAIN speaks no TLS.
set -euo pipefail
D=$(realpath -m "$2")
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1 authority" -keyout "$D/$1.key" -out "$D/$1.pem" 2>>"$D/log"; }
# certificate NAME AUTHORITY HOST FROM TO [MORE_HOSTS]
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" -keyout "$D/$1.key" -out "$D/$1.csr" 2>>"$D/log"
  printf 'subjectAltName=DNS:%s%s\n' "$3" "${6:-}" >"$D/$1.ext"
  openssl ca -batch -config "$D/ca.conf" -cert "$D/$2.pem" -keyfile "$D/$2.key" -in "$D/$1.csr" -out "$D/$1.pem" -notext \
    -startdate "$4" -enddate "$5" -extfile "$D/$1.ext" >>"$D/log" 2>&1
}
server() { echo "server { listen 127.0.0.1:$2 ssl; ssl_certificate $D/$1.pem; ssl_certificate_key $D/$1.key; location / { return 200 hello; } }"; }
case $1 in
start) mkdir -p "$D/new"; : >"$D/index"; trap '(($?)) && tail -n5 "$D/log" >&2' EXIT
printf '%s\n' '[ca]' 'default_ca=d' '[d]' "new_certs_dir=$D/new" "database=$D/index" 'rand_serial=yes' 'unique_subject=no' 'default_md=sha256' 'policy=p' '[p]' 'commonName=supplied' >"$D/ca.conf"
now=$(date -u -d '-1 hour' +%Y%m%d%H%M%SZ) later=$(date -u -d '+10 days' +%Y%m%d%H%M%SZ)
authority ca; authority stranger
certificate good ca localhost "$now" "$later" ,IP:127.0.0.1
certificate other-name ca store.example.com "$now" "$later"
certificate expired ca localhost 20200101000000Z 20200201000000Z
certificate early ca localhost "$later" "$(date -u -d '+20 days' +%Y%m%d%H%M%SZ)"
certificate strangers stranger localhost "$now" "$later"
cat >"$D/nginx.conf" <<C
pid $D/nginx.pid; error_log $D/err.log; worker_processes 1; user $(id -un);
events { worker_connections 64; }
http { access_log off; client_body_temp_path $D/new;
$(server good "$3")
$(server other-name "$4")
$(server expired "$5")
$(server early "$6")
$(server strangers "$7")
server { listen 127.0.0.1:$8; location / { return 200 hello; } }
}
C
nginx -c "$D/nginx.conf";;
stop) p=$(<"$D/nginx.pid"); kill "$p"; while kill -0 "$p" 2>/dev/null && [[ -e $D/nginx.pid ]]; do sleep 0.05; done;;
esac
