#!/usr/bin/env bash
# curl signs by itself: what a shell script has without any SDK. Reads the wire as it is, headers and bytes.
set -euo pipefail

suite="curl, $SUITE_BEHIND"
if ! command -v curl >/dev/null || ! curl --help all | grep -q -e '--aws-sigv4'; then
  echo "skip  $suite: no curl here that signs (--aws-sigv4)"
  exit 0
fi
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
failed=0

product=arn:aws:securityhub:eu-west-1::product/aws/securityhub
finding=arn:aws:securityhub:eu-west-1:222222222222:security-control/S3.8/finding/curl-$$-$RANDOM

# call METHOD PATH BODY [OPTION...]: sets `status`; `$answer` holds head and body.
call() {
  local method=$1 path=$2 body=$3
  shift 3
  status=$(curl --silent --show-error --path-as-is --include --output "$answer" --write-out '%{http_code}' \
    --aws-sigv4 aws:amz:eu-west-1:securityhub --user "${user:-AKIAPAYMENTS:secret-of-payments-0123456789abcdefghij}" \
    --request "$method" --header 'Content-Type: application/json' --data-binary "$body" "$@" "$GATE_URL$path")
}

# expect STATUS PATTERN...: extended patterns that the answer has.
expect() {
  local expected=$1 pattern
  shift
  [[ $status == "$expected" ]] || { echo "status $status, expected $expected" >&2 && return 1; }
  for pattern in "$@"; do
    grep -qiE -e "$pattern" "$answer" || { echo "not found: $pattern" >&2 && return 1; }
  done
}

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

id="{\"Id\":\"$finding\",\"ProductArn\":\"$product\"}"

imports() {
  call POST /findings/import "{\"Findings\":[{\"SchemaVersion\":\"2018-10-08\",\"Id\":\"$finding\",\"ProductArn\":\"$product\",
    \"GeneratorId\":\"curl\",\"AwsAccountId\":\"222222222222\",\"CreatedAt\":\"2026-01-02T03:04:05Z\",
    \"UpdatedAt\":\"2026-01-02T03:04:05Z\",\"Title\":\"t\",\"Description\":\"d\",\"Types\":[\"Effects\"],
    \"Severity\":{\"Label\":\"LOW\"},\"Resources\":[{\"Type\":\"Other\",\"Id\":\"r\"}]}]}"
  expect 200 '"SuccessCount": ?1'
}

updates() {
  call PATCH /findings/batchupdate "{\"FindingIdentifiers\":[$id],\"Workflow\":{\"Status\":\"NOTIFIED\"}}"
  expect 200 '^x-amzn-requestid: ' '^x-findings-gate-decision: ' '^content-type: application/json' '^date: ' \
    "\"ProcessedFindings\": ?\[\{" '"UnprocessedFindings": ?\[\]'
}

refused_with_all_three_codes() {
  user=AKIACAREFUL:secret-of-careful-0123456789abcdefghijk
  call PATCH /findings/batchupdate "{\"FindingIdentifiers\":[$id],\"Workflow\":{\"Status\":\"SUPPRESSED\"}}"
  user=
  expect 403 '^x-amzn-errortype: AccessDeniedException' '"__type": ?"AccessDeniedException"' \
    '"Code": ?"AccessDeniedException"' '"Message": ?".*members-do-not-suppress' '^x-amzn-requestid: '
}

strict_json() {
  local bodies=(
    "{\"FindingIdentifiers\":[$id],\"Note\":{\"Text\":\"a\",\"Text\":\"b\",\"UpdatedBy\":\"c\"}}"
    "{\"FindingIdentifiers\":[$id],\"FindingIdentifiers\":[$id],\"Confidence\":1}"
    "{\"FindingIdentifiers\":[$id],\"Confidence\":1,\"RecordState\":\"ARCHIVED\"}"
    "{\"FindingIdentifiers\":[$id],\"confidence\":1}"
    "{\"FindingIdentifiers\":[$id],\"Confidence\":\"1\"}"
    "{\"FindingIdentifiers\":[$id],\"Confidence\":1.5}"
    "{\"FindingIdentifiers\":[$id],\"Severity\":{\"Product\":NaN}}"
    "{\"FindingIdentifiers\":[$id],\"Note\":{\"Text\":\"\\ud800\",\"UpdatedBy\":\"c\"}}"
    "{\"FindingIdentifiers\":[$id],\"Note\":{\"Text\":\"$(printf '\xff')\",\"UpdatedBy\":\"c\"}}"
    "{\"FindingIdentifiers\":[$id],\"Confidence\":1} {}"
    "[]"
    ""
  )
  local body
  for body in "${bodies[@]}"; do
    call PATCH /findings/batchupdate "$body"
    expect 400 '^x-amzn-errortype: InvalidInputException' || { echo "body: $body" >&2 && return 1; }
  done
}

other_paths() {
  local path body="{\"FindingIdentifiers\":[$id],\"Workflow\":{\"Status\":\"NOTIFIED\"}}"
  for path in /findings/batchupdate/ //findings/batchupdate /findings//batchupdate /findings/./batchupdate \
    /x/../findings/batchupdate /findings/%62atchupdate /Findings/batchupdate '/findings/batchupdate?x=1' \
    /findings/batchupdate%2F; do
    call PATCH "$path" "$body"
    [[ $status == 403 ]] || { echo "$path: $status" >&2 && return 1; }
  done
  call POST /findings/batchupdate "$body"
  expect 403 '^x-amzn-errortype: AccessDeniedException' || return 1
  call PATCH /findings/batchupdate "$body" --header 'X-HTTP-Method-Override: POST'
  expect 403 '^x-amzn-errortype: AccessDeniedException'
}

claimed_account() {
  # The header by which the gate tells its backend the account: from a client it counts for nothing.
  local foreign='{"Id":"arn:aws:securityhub:eu-west-1:333333333333:security-control/S3.8/finding/x","ProductArn":"'$product'"}'
  call POST /findings '{"Filters":{"AwsAccountId":[{"Value":"333333333333","Comparison":"EQUALS"}]}}' \
    --header 'x-findings-gate-account: 111111111111'
  expect 200 '"Findings": ?\[\]' || return 1
  call PATCH /findings/batchupdate "{\"FindingIdentifiers\":[$foreign],\"Workflow\":{\"Status\":\"NOTIFIED\"}}" \
    --header 'x-findings-gate-account: 333333333333'
  expect 200 'members-stay-in-their-account'
}

check "import" imports
check "an update, its answer's headers and members" updates
check "a refusal carries its code in all three places" refused_with_all_three_codes
check "JSON is read strictly" strict_json
check "only the exact method and path is a door" other_paths
check "an account that the client claims counts for nothing" claimed_account
exit "$failed"
