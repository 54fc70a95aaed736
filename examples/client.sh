#!/bin/sh
# Sets a finding to NOTIFIED through the gate, with curl as the only tool; says what was not done.
#
#   export AWS_ENDPOINT_URL_SECURITYHUB=http://127.0.0.1:8080 AWS_REGION=eu-west-1
#   export AWS_ACCESS_KEY_ID=AKIAPAYMENTS AWS_SECRET_ACCESS_KEY=...
#   ./client.sh PRODUCT_ARN ID [STATUS]
#
# Needs curl 7.76 or later. The arguments go into JSON as they are: ARNs and ids, no quotes in them.
set -eu

if [ $# -lt 2 ]; then
  echo "usage: client.sh PRODUCT_ARN ID [STATUS]" >&2
  exit 64
fi
product=$1 id=$2 status=${3:-NOTIFIED}
body="{\"FindingIdentifiers\":[{\"Id\":\"$id\",\"ProductArn\":\"$product\"}],\"Workflow\":{\"Status\":\"$status\"}}"

# The key goes in by a file descriptor: arguments show in the list of processes.
answer=$(printf 'user = "%s:%s"\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" | curl \
  --config - --silent --show-error --fail-with-body \
  --aws-sigv4 "aws:amz:${AWS_REGION:-eu-west-1}:securityhub" \
  --request PATCH --header 'content-type: application/json' --data "$body" \
  "$AWS_ENDPOINT_URL_SECURITYHUB/findings/batchupdate") || {
  echo "the call failed: ${answer:-no answer}" >&2
  exit 1
}
echo "$answer"

# A 200 may still say that nothing was changed.
case $answer in
  *'"UnprocessedFindings":[]'*) ;;
  *) echo "not everything was done, see UnprocessedFindings" >&2; exit 1 ;;
esac
