-- Who changed findings past the gate in the last day: for CloudTrail Lake. $EDS is the id of the event data store of the organisation.
-- A denied try (errorCode AccessDenied) shows somebody who tried; anything else was done.
SELECT eventTime, eventName, awsRegion, recipientAccountId, userIdentity.arn, userIdentity.sessionContext.sessionIssuer.arn AS role,
       sourceIPAddress, userAgent, errorCode
FROM $EDS
WHERE eventTime > date_add('day', -1, current_timestamp)
  AND eventSource = 'securityhub.amazonaws.com'
  AND eventName IN (
    'BatchDeleteAutomationRules', 'BatchImportFindings', 'BatchUpdateAutomationRules', 'BatchUpdateFindings', 'BatchUpdateFindingsV2',
    'CreateAutomationRule', 'CreateAutomationRuleV2', 'DeleteAutomationRuleV2', 'UpdateAutomationRuleV2', 'UpdateFindings'
  )
  AND NOT regexp_like(
    coalesce(userIdentity.sessionContext.sessionIssuer.arn, ''),
    '^arn:aws:iam::[0-9]{12}:role/(findings-gate|findings-gate-service|security-platform|securityhub-importer)$'
  )
ORDER BY eventTime DESC
