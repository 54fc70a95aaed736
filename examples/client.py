#!/usr/bin/env python3
"""Updates findings through the gate, and reads what became of each of them.

    export AWS_ENDPOINT_URL_SECURITYHUB=http://127.0.0.1:8080 AWS_REGION=eu-west-1
    export AWS_ACCESS_KEY_ID=AKIAPAYMENTS AWS_SECRET_ACCESS_KEY=...
    python3 client.py PRODUCT_ARN ID [ID ...]

BatchUpdateFindings answers 200 also where nothing was changed. What was not is in UnprocessedFindings, and a client that
does not look there takes a denial for a success. With the gate, two codes matter:

  AccessDenied   nothing of the update was made for this finding
  PartialUpdate  some fields were left out, the others were made; the finding is in ProcessedFindings too

Everything else there is Security Hub's own (FindingNotFound, ConcurrentUpdateError, ...).
"""

import os
import sys
import warnings

import boto3


class NotUpdated(Exception):
    """Findings that were not updated: a list of (Id, ErrorCode, ErrorMessage)."""

    def __init__(self, failures):
        super().__init__("\n".join(f"{id_}: {code}: {message}" for id_, code, message in failures))
        self.failures = failures


class PartlyUpdated(UserWarning):
    """A finding that was updated without some of the fields."""


def update_findings(client, identifiers, **update):
    """Calls BatchUpdateFindings; returns the ids of the findings that were updated, wholly or in part.

    Warns of each finding that was updated in part, and raises NotUpdated if any was not updated at all.
    """
    answer = client.batch_update_findings(FindingIdentifiers=identifiers, **update)
    failures = []
    for entry in answer["UnprocessedFindings"]:
        id_, code, message = entry["FindingIdentifier"]["Id"], entry["ErrorCode"], entry["ErrorMessage"]
        if code == "PartialUpdate":
            warnings.warn(f"{id_}: {message}", PartlyUpdated, stacklevel=2)
        else:
            failures.append((id_, code, message))
    if failures:
        raise NotUpdated(failures)
    return [finding["Id"] for finding in answer["ProcessedFindings"]]


def main(product_arn, *ids):
    # Endpoint, Region and keys come from the environment, as for every AWS client.
    client = boto3.client("securityhub", region_name=os.environ.get("AWS_REGION", "eu-west-1"))
    identifiers = [{"Id": id_, "ProductArn": product_arn} for id_ in ids]
    warnings.simplefilter("always", PartlyUpdated)
    try:
        updated = update_findings(
            client,
            identifiers,
            Note={"Text": "Patched in release 42, see SEC-7", "UpdatedBy": "payments on-call"},
            UserDefinedFields={"ticket": "SEC-7"},
            Workflow={"Status": "NOTIFIED"},
            Severity={"Label": "LOW"},
        )
    except NotUpdated as error:
        print(f"not updated:\n{error}", file=sys.stderr)
        return 1
    print("updated:", *updated)
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: client.py PRODUCT_ARN ID [ID ...]")
    sys.exit(main(*sys.argv[1:]))
