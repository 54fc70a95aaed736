//! What findings can be looked for by.

/// The attributes that GetFindings filters by, in the order of the API model. Across attributes filters are joined by AND.
#[rustfmt::skip]
pub const FILTER_ATTRIBUTES: [&str; 107] = [
    "ProductArn", "AwsAccountId", "Id", "GeneratorId", "Region", "Type", "FirstObservedAt", "LastObservedAt",
    "CreatedAt", "UpdatedAt", "SeverityProduct", "SeverityNormalized", "SeverityLabel", "Confidence", "Criticality",
    "Title", "Description", "RecommendationText", "SourceUrl", "ProductFields", "ProductName", "CompanyName",
    "UserDefinedFields", "MalwareName", "MalwareType", "MalwarePath", "MalwareState", "NetworkDirection",
    "NetworkProtocol", "NetworkSourceIpV4", "NetworkSourceIpV6", "NetworkSourcePort", "NetworkSourceDomain",
    "NetworkSourceMac", "NetworkDestinationIpV4", "NetworkDestinationIpV6", "NetworkDestinationPort",
    "NetworkDestinationDomain", "ProcessName", "ProcessPath", "ProcessPid", "ProcessParentPid", "ProcessLaunchedAt",
    "ProcessTerminatedAt", "ThreatIntelIndicatorType", "ThreatIntelIndicatorValue", "ThreatIntelIndicatorCategory",
    "ThreatIntelIndicatorLastObservedAt", "ThreatIntelIndicatorSource", "ThreatIntelIndicatorSourceUrl", "ResourceType",
    "ResourceId", "ResourcePartition", "ResourceRegion", "ResourceTags", "ResourceAwsEc2InstanceType",
    "ResourceAwsEc2InstanceImageId", "ResourceAwsEc2InstanceIpV4Addresses", "ResourceAwsEc2InstanceIpV6Addresses",
    "ResourceAwsEc2InstanceKeyName", "ResourceAwsEc2InstanceIamInstanceProfileArn", "ResourceAwsEc2InstanceVpcId",
    "ResourceAwsEc2InstanceSubnetId", "ResourceAwsEc2InstanceLaunchedAt", "ResourceAwsS3BucketOwnerId",
    "ResourceAwsS3BucketOwnerName", "ResourceAwsIamAccessKeyUserName", "ResourceAwsIamAccessKeyPrincipalName",
    "ResourceAwsIamAccessKeyStatus", "ResourceAwsIamAccessKeyCreatedAt", "ResourceAwsIamUserUserName",
    "ResourceContainerName", "ResourceContainerImageId", "ResourceContainerImageName", "ResourceContainerLaunchedAt",
    "ResourceDetailsOther", "ComplianceStatus", "VerificationState", "WorkflowState", "WorkflowStatus", "RecordState",
    "RelatedFindingsProductArn", "RelatedFindingsId", "NoteText", "NoteUpdatedAt", "NoteUpdatedBy", "Keyword",
    "FindingProviderFieldsConfidence", "FindingProviderFieldsCriticality", "FindingProviderFieldsRelatedFindingsId",
    "FindingProviderFieldsRelatedFindingsProductArn", "FindingProviderFieldsSeverityLabel",
    "FindingProviderFieldsSeverityOriginal", "FindingProviderFieldsTypes", "Sample", "ComplianceSecurityControlId",
    "ComplianceAssociatedStandardsId", "VulnerabilitiesExploitAvailable", "VulnerabilitiesFixAvailable",
    "ComplianceSecurityControlParametersName", "ComplianceSecurityControlParametersValue", "AwsAccountName",
    "ResourceApplicationName", "ResourceApplicationArn", "ResourceOwnerAccountId", "ResourceOwnerOrgId",
    "ResourceProvider",
];
