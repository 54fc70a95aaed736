#!/usr/bin/env bash
# Members that the gate asks Security Hub for: moto stands in for AWS, boto3 makes the members there, and the gate signs what it asks.
#
#   members.sh GATE VENV    tests that binary, with the moto and boto3 of that virtual environment
set -euo pipefail

gate=$1 venv=$2
suite="members"
failed=0
scratch=$(mktemp -d)
pids=()

cleanup() {
  local pid
  for pid in "${pids[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null
  rm -rf "$scratch"
}
trap cleanup EXIT

report() {
  local name=$1
  shift
  if "$@"; then
    echo "ok    $suite: $name"
  else
    tail -n 20 "$scratch"/*.log >&2 || true
    echo "FAIL  $suite: $name"
    failed=1
  fi
}

# until COMMAND...: it comes to hold within half a minute.
until_holds() {
  local waited=0
  until "$@"; do
    ((waited++ < 600)) || return 1
    sleep 0.05
  done
}

# What moto and the gate sign with: nobody's.
export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=0123456789012345678901234567890123456789
export AWS_DEFAULT_REGION=eu-west-1

port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$scratch/moto.log" 2>&1 &
pids+=($!)
until_holds curl --silent --output "$scratch/ready" "http://127.0.0.1:$port/moto-api/"

# members FROM TO: makes these.
members() {
  "$venv/bin/python" - "$port" "$1" "$2" <<'PYTHON'
import sys
import boto3

port, first, end = (int(argument) for argument in sys.argv[1:])
hub = boto3.client("securityhub", endpoint_url=f"http://127.0.0.1:{port}")
if first == 0:
    hub.enable_security_hub()
accounts = [{"AccountId": f"2{number:011}", "Email": "team@example.org"} for number in range(first, end)]
for at in range(0, len(accounts), 50):
    assert not hub.create_members(AccountDetails=accounts[at:at + 50])["UnprocessedAccounts"]
PYTHON
}
members 0 120

cd "$scratch"
printf 'administrator = "123456789012"\n' >accounts.toml
cat >keys.toml <<'TOML'
[[key]]
id = "AKIATEAM"
secret = "0123456789012345678901234567890123456789"
account = "200000000119"
principal = "arn:aws:iam::200000000119:role/triage"
TOML
chmod go-rwx keys.toml
cat >findings-gate.toml <<TOML
[listen]
address = "127.0.0.1:0"
[policies]
path = ["pack:baseline"]
[accounts]
file = "accounts.toml"
source = "security-hub"
refresh = "10s"
[[identity]]
kind = "sigv4"
keys = "keys.toml"
[upstream]
url = "http://127.0.0.1:$port"
region = "eu-west-1"
sign = "gateway"
[log]
format = "json"
TOML
"$gate" serve --config findings-gate.toml >gate.out 2>gate.log &
pids+=($!)

# Three pages of members, and the administrator.
report "all pages are listed before the first request" until_holds grep -q '"event":"started".*"accounts":121' gate.log
report "the list goes on page by page" grep -q 'GET /members?MaxResults=50&OnlyAssociated=true&NextToken=' moto.log
members 120 121
report "a new member is known without a restart" until_holds grep -q '"event":"reloaded".*"accounts":122' gate.log
exit "$failed"
