//! Every operation of the API, so that a closed door can be refused by its name.
//!
//! The names, methods and paths are those of the API model `securityhub/2018-10-26` as botocore 1.44.5 ships it. The class
//! is IAM's access level for the action; where the service authorization reference does not list the action yet, it was
//! read off the name. What an operation lets a caller do past the gate is our own judgement.

/// One operation of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct ApiOperation {
    /// The name in the API model.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with labels as the API model writes them: `{Label}` is one segment, `{Label+}` is one or more.
    pub uri: &'static str,
    /// IAM's access level.
    pub class: Class,
    /// What it would let a caller do past the gate's policies.
    pub bypass: Bypass,
}

/// IAM's access level of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Lists things.
    List,
    /// Reads things.
    Read,
    /// Sets and removes tags.
    Tagging,
    /// Changes things.
    Write,
}

/// How an operation could be used to get around what the policies say of a finding's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// It changes who administers whom, and so who may touch which finding.
    ChangesAuthority,
    /// It sends findings out of the account.
    DataOut,
    /// It opens or feeds a channel to another system, such as a ticket tracker.
    ExternalChannel,
    /// It writes the fields of findings as their provider.
    FieldsAsProvider,
    /// It has rules write the fields of findings.
    FieldsByRule,
    /// It writes the fields of findings itself.
    FieldsDirect,
    /// It changes no field of a finding, and hides none.
    Harmless,
    /// It stops findings from being made or seen.
    HidesFindings,
}

use Bypass::{
    ChangesAuthority, DataOut, ExternalChannel, FieldsAsProvider, FieldsByRule, FieldsDirect, Harmless, HidesFindings,
};
use Class::{List, Read, Tagging, Write};

const fn operation(
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    class: Class,
    bypass: Bypass,
) -> ApiOperation {
    ApiOperation { name, method, uri, class, bypass }
}

/// All of them, by name.
#[rustfmt::skip]
pub const OPERATIONS: [ApiOperation; 126] = [
    operation("AcceptAdministratorInvitation", "POST", "/administrator", Write, ChangesAuthority),
    operation("AcceptInvitation", "POST", "/master", Write, ChangesAuthority),
    operation("BatchDeleteAutomationRules", "POST", "/automationrules/delete", Write, FieldsByRule),
    operation("BatchDisableStandards", "POST", "/standards/deregister", Write, HidesFindings),
    operation("BatchEnableStandards", "POST", "/standards/register", Write, HidesFindings),
    operation("BatchGetAutomationRules", "POST", "/automationrules/get", Read, Harmless),
    operation("BatchGetConfigurationPolicyAssociations", "POST", "/configurationPolicyAssociation/batchget", Read, Harmless),
    operation("BatchGetSecurityControls", "POST", "/securityControls/batchGet", Read, Harmless),
    operation("BatchGetStandardsControlAssociations", "POST", "/associations/batchGet", Read, Harmless),
    operation("BatchImportFindings", "POST", "/findings/import", Write, FieldsAsProvider),
    operation("BatchUpdateAutomationRules", "PATCH", "/automationrules/update", Write, FieldsByRule),
    operation("BatchUpdateFindings", "PATCH", "/findings/batchupdate", Write, FieldsDirect),
    operation("BatchUpdateFindingsV2", "PATCH", "/findingsv2/batchupdatev2", Write, FieldsDirect),
    operation("BatchUpdateStandardsControlAssociations", "PATCH", "/associations", Write, HidesFindings),
    operation("CancelExportJobV2", "POST", "/exportjobsv2/{ExportJobId}/cancel", Write, Harmless),
    operation("CreateActionTarget", "POST", "/actionTargets", Write, ExternalChannel),
    operation("CreateAggregatorV2", "POST", "/aggregatorv2/create", Write, HidesFindings),
    operation("CreateAutomationRule", "POST", "/automationrules/create", Write, FieldsByRule),
    operation("CreateAutomationRuleV2", "POST", "/automationrulesv2/create", Write, FieldsByRule),
    operation("CreateConfigurationPolicy", "POST", "/configurationPolicy/create", Write, HidesFindings),
    operation("CreateConnector", "POST", "/connectors", Write, ExternalChannel),
    operation("CreateConnectorV2", "POST", "/connectorsv2", Write, ExternalChannel),
    operation("CreateFindingAggregator", "POST", "/findingAggregator/create", Write, HidesFindings),
    operation("CreateInsight", "POST", "/insights", Write, Harmless),
    operation("CreateMembers", "POST", "/members", Write, ChangesAuthority),
    operation("CreateTicketV2", "POST", "/ticketsv2", Write, ExternalChannel),
    operation("DeclineInvitations", "POST", "/invitations/decline", Write, ChangesAuthority),
    operation("DeleteActionTarget", "DELETE", "/actionTargets/{ActionTargetArn+}", Write, ExternalChannel),
    operation("DeleteAggregatorV2", "DELETE", "/aggregatorv2/delete/{AggregatorV2Arn+}", Write, HidesFindings),
    operation("DeleteAutomationRuleV2", "DELETE", "/automationrulesv2/{Identifier}", Write, FieldsByRule),
    operation("DeleteConfigurationPolicy", "DELETE", "/configurationPolicy/{Identifier}", Write, HidesFindings),
    operation("DeleteConnector", "DELETE", "/connectors/{ConnectorId+}", Write, ExternalChannel),
    operation("DeleteConnectorV2", "DELETE", "/connectorsv2/{ConnectorId+}", Write, ExternalChannel),
    operation("DeleteFindingAggregator", "DELETE", "/findingAggregator/delete/{FindingAggregatorArn+}", Write, HidesFindings),
    operation("DeleteInsight", "DELETE", "/insights/{InsightArn+}", Write, Harmless),
    operation("DeleteInvitations", "POST", "/invitations/delete", Write, ChangesAuthority),
    operation("DeleteMembers", "POST", "/members/delete", Write, ChangesAuthority),
    operation("DescribeActionTargets", "POST", "/actionTargets/get", Read, Harmless),
    operation("DescribeHub", "GET", "/accounts", Read, Harmless),
    operation("DescribeOrganizationConfiguration", "GET", "/organization/configuration", Read, Harmless),
    operation("DescribeProducts", "GET", "/products", Read, Harmless),
    operation("DescribeProductsV2", "GET", "/productsV2", Read, Harmless),
    operation("DescribeSecurityHubV2", "GET", "/hubv2", Read, Harmless),
    operation("DescribeStandards", "GET", "/standards", Read, Harmless),
    operation("DescribeStandardsControls", "GET", "/standards/controls/{StandardsSubscriptionArn+}", Read, Harmless),
    operation("DisableImportFindingsForProduct", "DELETE", "/productSubscriptions/{ProductSubscriptionArn+}", Write, HidesFindings),
    operation("DisableOrganizationAdminAccount", "POST", "/organization/admin/disable", Write, ChangesAuthority),
    operation("DisableSecurityHub", "DELETE", "/accounts", Write, HidesFindings),
    operation("DisableSecurityHubFeatureV2", "DELETE", "/hubv2/feature/{FeatureName}", Write, HidesFindings),
    operation("DisableSecurityHubV2", "DELETE", "/hubv2", Write, HidesFindings),
    operation("DisassociateFromAdministratorAccount", "POST", "/administrator/disassociate", Write, ChangesAuthority),
    operation("DisassociateFromMasterAccount", "POST", "/master/disassociate", Write, ChangesAuthority),
    operation("DisassociateMembers", "POST", "/members/disassociate", Write, ChangesAuthority),
    operation("EnableImportFindingsForProduct", "POST", "/productSubscriptions", Write, HidesFindings),
    operation("EnableOrganizationAdminAccount", "POST", "/organization/admin/enable", Write, ChangesAuthority),
    operation("EnableSecurityHub", "POST", "/accounts", Write, HidesFindings),
    operation("EnableSecurityHubFeatureV2", "POST", "/hubv2/feature/{FeatureName}", Write, HidesFindings),
    operation("EnableSecurityHubV2", "POST", "/hubv2", Write, HidesFindings),
    operation("GenerateRecommendedPolicyV2", "POST", "/recommendedPolicyV2/{MetadataUid}", Write, Harmless),
    operation("GetAdministratorAccount", "GET", "/administrator", Read, Harmless),
    operation("GetAggregatorV2", "GET", "/aggregatorv2/get/{AggregatorV2Arn+}", Read, Harmless),
    operation("GetAutomationRuleV2", "GET", "/automationrulesv2/{Identifier}", Read, Harmless),
    operation("GetConfigurationPolicy", "GET", "/configurationPolicy/get/{Identifier}", Read, Harmless),
    operation("GetConfigurationPolicyAssociation", "POST", "/configurationPolicyAssociation/get", Read, Harmless),
    operation("GetConnector", "GET", "/connectors/{ConnectorId+}", Read, Harmless),
    operation("GetConnectorV2", "GET", "/connectorsv2/{ConnectorId+}", Read, Harmless),
    operation("GetEnabledStandards", "POST", "/standards/get", List, Harmless),
    operation("GetExportJobV2", "GET", "/exportjobsv2/{ExportJobId}", Read, Harmless),
    operation("GetFindingAggregator", "GET", "/findingAggregator/get/{FindingAggregatorArn+}", Read, Harmless),
    operation("GetFindingHistory", "POST", "/findingHistory/get", Read, Harmless),
    operation("GetFindingStatisticsV2", "POST", "/findingsv2/statistics", Read, Harmless),
    operation("GetFindings", "POST", "/findings", Read, Harmless),
    operation("GetFindingsTrendsV2", "POST", "/findingsTrendsv2", Read, Harmless),
    operation("GetFindingsV2", "POST", "/findingsv2", Read, Harmless),
    operation("GetInsightResults", "GET", "/insights/results/{InsightArn+}", Read, Harmless),
    operation("GetInsights", "POST", "/insights/get", List, Harmless),
    operation("GetInvitationsCount", "GET", "/invitations/count", Read, Harmless),
    operation("GetMasterAccount", "GET", "/master", Read, Harmless),
    operation("GetMembers", "POST", "/members/get", Read, Harmless),
    operation("GetRecommendedPolicyV2", "GET", "/recommendedPolicyV2/{MetadataUid}", Read, Harmless),
    operation("GetRemediationsV2", "POST", "/GetRemediationsV2", Read, Harmless),
    operation("GetResourcesStatisticsV2", "POST", "/resourcesv2/statistics", Read, Harmless),
    operation("GetResourcesTrendsV2", "POST", "/resourcesTrendsv2", Read, Harmless),
    operation("GetResourcesV2", "POST", "/resourcesv2", Read, Harmless),
    operation("GetSecurityControlDefinition", "GET", "/securityControl/definition", Read, Harmless),
    operation("GetSoftwareResourcesV2", "POST", "/softwarev2/resources", Read, Harmless),
    operation("GetSoftwareStatisticsV2", "POST", "/softwarev2/statistics", Read, Harmless),
    operation("GetSoftwareV2", "POST", "/softwarev2", Read, Harmless),
    operation("InviteMembers", "POST", "/members/invite", Write, ChangesAuthority),
    operation("ListAggregatorsV2", "GET", "/aggregatorv2/list", List, Harmless),
    operation("ListAutomationRules", "GET", "/automationrules/list", List, Harmless),
    operation("ListAutomationRulesV2", "GET", "/automationrulesv2/list", List, Harmless),
    operation("ListConfigurationPolicies", "GET", "/configurationPolicy/list", List, Harmless),
    operation("ListConfigurationPolicyAssociations", "POST", "/configurationPolicyAssociation/list", List, Harmless),
    operation("ListConnectors", "GET", "/connectors", List, Harmless),
    operation("ListConnectorsV2", "GET", "/connectorsv2", List, Harmless),
    operation("ListEnabledProductsForImport", "GET", "/productSubscriptions", List, Harmless),
    operation("ListExportJobsV2", "GET", "/exportjobsv2", List, Harmless),
    operation("ListExposuresByRemediationV2", "POST", "/ListExposuresByRemediationV2", List, Harmless),
    operation("ListFindingAggregators", "GET", "/findingAggregator/list", List, Harmless),
    operation("ListFreeTrialStatusesV2", "POST", "/freetrial/statusv2/list", List, Harmless),
    operation("ListInvitations", "GET", "/invitations", List, Harmless),
    operation("ListMembers", "GET", "/members", List, Harmless),
    operation("ListOrganizationAdminAccounts", "GET", "/organization/admin", List, Harmless),
    operation("ListSecurityControlDefinitions", "GET", "/securityControls/definitions", List, Harmless),
    operation("ListStandardsControlAssociations", "GET", "/associations", List, Harmless),
    operation("ListTagsForResource", "GET", "/tags/{ResourceArn}", Read, Harmless),
    operation("RegisterConnectorV2", "POST", "/connectorsv2/register", Write, ExternalChannel),
    operation("StartConfigurationPolicyAssociation", "POST", "/configurationPolicyAssociation/associate", Write, HidesFindings),
    operation("StartConfigurationPolicyDisassociation", "POST", "/configurationPolicyAssociation/disassociate", Write, HidesFindings),
    operation("StartExportJobV2", "POST", "/exportjobsv2", Write, DataOut),
    operation("TagResource", "POST", "/tags/{ResourceArn}", Tagging, Harmless),
    operation("UntagResource", "DELETE", "/tags/{ResourceArn}", Tagging, Harmless),
    operation("UpdateActionTarget", "PATCH", "/actionTargets/{ActionTargetArn+}", Write, ExternalChannel),
    operation("UpdateAggregatorV2", "PATCH", "/aggregatorv2/update/{AggregatorV2Arn+}", Write, HidesFindings),
    operation("UpdateAutomationRuleV2", "PATCH", "/automationrulesv2/{Identifier}", Write, FieldsByRule),
    operation("UpdateConfigurationPolicy", "PATCH", "/configurationPolicy/{Identifier}", Write, HidesFindings),
    operation("UpdateConnector", "PATCH", "/connectors/{ConnectorId+}", Write, ExternalChannel),
    operation("UpdateConnectorV2", "PATCH", "/connectorsv2/{ConnectorId+}", Write, ExternalChannel),
    operation("UpdateFindingAggregator", "PATCH", "/findingAggregator/update", Write, HidesFindings),
    operation("UpdateFindings", "PATCH", "/findings", Write, FieldsDirect),
    operation("UpdateInsight", "PATCH", "/insights/{InsightArn+}", Write, Harmless),
    operation("UpdateOrganizationConfiguration", "POST", "/organization/configuration", Write, HidesFindings),
    operation("UpdateSecurityControl", "PATCH", "/securityControl/update", Write, HidesFindings),
    operation("UpdateSecurityHubConfiguration", "PATCH", "/accounts", Write, HidesFindings),
    operation("UpdateStandardsControl", "PATCH", "/standards/control/{StandardsControlArn+}", Write, HidesFindings),
];
