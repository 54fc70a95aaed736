#!/usr/bin/env bash
# TLS as openssl, curl and boto3 see it: an authority and certificates that openssl makes, a gate that shows and asks for them.
#
#   tls.sh certificates DIRECTORY   makes them
#   tls.sh                          tests the gate at GATE_URL, with the certificates in TLS_FILES
set -euo pipefail

# authority NAME
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
    -keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# issue AUTHORITY NAME SUBJECT_ALTERNATIVE_NAMES USAGE
issue() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr" 2>/dev/null
  openssl x509 -req -in "$2.csr" -CA "$1.crt" -CAkey "$1.key" -CAcreateserial -days 30 -out "$2.crt" \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$3" "$4") 2>/dev/null
}

if [[ ${1:-} == certificates ]]; then
  mkdir -p "$2"
  cd "$2"
  authority servers
  authority clients
  authority strangers
  issue servers gate DNS:localhost,IP:127.0.0.1 serverAuth
  issue clients triage URI:spiffe://example.org/account/222222222222/triage clientAuth
  issue strangers stranger URI:spiffe://example.org/account/222222222222/triage clientAuth
  chmod go-rwx ./*.key
  exit 0
fi

suite="tls"
failed=0
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
address=${GATE_URL#https://}
files=$TLS_FILES
body='{"FindingIdentifiers":[{"Id":"tls","ProductArn":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"}],"Workflow":{"Status":"NOTIFIED"}}'

check() {
  local name=$1
  shift
  if "$@"; then
    echo "ok    $suite: $name"
  else
    cat "$answer" >&2
    echo >&2
    echo "FAIL  $suite: $name"
    failed=1
  fi
}

# call [OPTION...]: `$answer` holds head and body.
call() {
  curl --silent --show-error --include --output "$answer" --cacert "$files/servers.crt" --request PATCH \
    --header 'Content-Type: application/json' --data-binary "$body" "$@" "$GATE_URL/findings/batchupdate" 2>>"$answer"
}

handshake() {
  openssl s_client -connect "$address" -CAfile "$files/servers.crt" -verify_return_error "$@" </dev/null >"$answer" 2>&1
}

versions() {
  handshake -tls1_3 && grep -q 'Protocol *: TLSv1.3\|New, TLSv1.3' "$answer" || return 1
  handshake -tls1_2 && grep -q 'New, TLSv1.2' "$answer" || return 1
  ! handshake -tls1_1
}

protocols() {
  handshake -alpn h2,http/1.1 && grep -q 'ALPN protocol: h2' "$answer" || return 1
  handshake -alpn http/1.1 && grep -q 'ALPN protocol: http/1.1' "$answer"
}

by_certificate() {
  local version
  for version in --http1.1 --http2; do
    call "$version" --cert "$files/triage.crt" --key "$files/triage.key" || return 1
    # The finding is not there, which the backend says: so the caller was let through to it.
    grep -q FindingNotFound "$answer" || return 1
  done
}

by_signature() {
  call --aws-sigv4 aws:amz:eu-west-1:securityhub --user AKIAPAYMENTS:secret-of-payments-0123456789abcdefghij || return 1
  grep -q FindingNotFound "$answer"
}

without_proof() {
  call || return 1
  grep -q 'x-amzn-errortype: MissingAuthenticationTokenException' "$answer"
}

strangers() {
  ! call --cert "$files/stranger.crt" --key "$files/stranger.key"
}

by_boto3() {
  "$PYTHON" - <<PYTHON >"$answer" 2>&1
import boto3
hub = boto3.client("securityhub", region_name="eu-west-1", endpoint_url="$GATE_URL", verify="$files/servers.crt",
                   aws_access_key_id="AKIAPAYMENTS", aws_secret_access_key="secret-of-payments-0123456789abcdefghij")
arn = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"
answer = hub.batch_update_findings(FindingIdentifiers=[{"Id": "tls", "ProductArn": arn}], Workflow={"Status": "NOTIFIED"})
assert answer["UnprocessedFindings"][0]["ErrorCode"] == "FindingNotFound", answer
PYTHON
}

asks_who() {
  "$GATE" whoami --endpoint "$GATE_URL" --ca "$files/servers.crt" --certificate "$files/triage.crt" \
    --key "$files/triage.key" >"$answer" 2>&1 || return 1
  grep -q 'proof *mtls:spiffe://example.org/account/222222222222/triage' "$answer"
}

check "openssl speaks TLS 1.2 and 1.3, and nothing older" versions
check "openssl agrees on HTTP/2 or HTTP/1.1" protocols
check "curl is known by its certificate, over HTTP/1.1 and HTTP/2" by_certificate
check "curl is known by its signature" by_signature
check "boto3 is known by its signature" by_boto3
check "curl without a proof is nobody" without_proof
check "a certificate of another authority does not get in" strangers
check "whoami tells what the certificate stands for" asks_who
exit "$failed"
