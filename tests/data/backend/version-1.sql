-- A findings file of schema version 1, with two findings, one of them updated.
PRAGMA foreign_keys = OFF;
PRAGMA application_id = 1179084386;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE document (seq INTEGER PRIMARY KEY REFERENCES finding, document TEXT NOT NULL);
INSERT INTO "document" VALUES(1,'{"SchemaVersion":"2018-10-08","Id":"f1","ProductArn":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default","GeneratorId":"rule-1","AwsAccountId":"222222222222","CreatedAt":"2024-05-01T00:00:00Z","UpdatedAt":"2024-05-01T00:00:00Z","Title":"a title","Description":"a description","Resources":[{"Type":"AwsEc2Instance","Id":"i-1"}],"Severity":{"Label":"HIGH","Normalized":70},"Types":["TTPs"],"FindingProviderFields":{"Severity":{"Label":"LOW","Normalized":1},"Types":["TTPs"]},"Workflow":{"Status":"NEW"},"WorkflowState":"NEW","VerificationState":"UNKNOWN","RecordState":"ACTIVE","Region":"eu-west-1","CompanyName":"Personal","ProductName":"Default","ProcessedAt":"2026-11-26T03:25:15.352Z","AwsAccountName":"payments","ProductFields":{"aws/securityhub/FindingId":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default/f1","aws/securityhub/ProductName":"Default","aws/securityhub/CompanyName":"Personal"}}');
INSERT INTO "document" VALUES(2,'{"SchemaVersion":"2018-10-08","Id":"f2","ProductArn":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default","GeneratorId":"rule-1","AwsAccountId":"222222222222","CreatedAt":"2024-05-01T00:00:00Z","UpdatedAt":"2024-05-01T00:00:00Z","Title":"a title","Description":"a description","Resources":[{"Type":"AwsEc2Instance","Id":"i-1"}],"Severity":{"Label":"LOW","Normalized":1},"Types":["TTPs"],"FindingProviderFields":{"Severity":{"Label":"LOW","Normalized":1},"Types":["TTPs"]},"Workflow":{"Status":"NEW"},"WorkflowState":"NEW","VerificationState":"UNKNOWN","RecordState":"ACTIVE","Region":"eu-west-1","CompanyName":"Personal","ProductName":"Default","ProcessedAt":"2026-11-26T03:25:15.352Z","AwsAccountName":"payments","ProductFields":{"aws/securityhub/FindingId":"arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default/f2","aws/securityhub/ProductName":"Default","aws/securityhub/CompanyName":"Personal"}}');
CREATE TABLE finding (
             seq INTEGER PRIMARY KEY AUTOINCREMENT,
             product_arn TEXT NOT NULL,
account TEXT NOT NULL,
id TEXT NOT NULL,
generator_id TEXT NOT NULL,
region TEXT NOT NULL,
first_observed_at TEXT NOT NULL,
last_observed_at TEXT NOT NULL,
created_at TEXT NOT NULL,
updated_at TEXT NOT NULL,
severity_normalized NUMERIC,
severity_label TEXT NOT NULL,
confidence NUMERIC,
criticality NUMERIC,
title TEXT NOT NULL,
product_name TEXT NOT NULL,
company_name TEXT NOT NULL,
compliance_status TEXT NOT NULL,
verification_state TEXT NOT NULL,
workflow_state TEXT NOT NULL,
workflow_status TEXT NOT NULL,
record_state TEXT NOT NULL,
note_updated_at TEXT NOT NULL,
sample INTEGER NOT NULL,
security_control_id TEXT NOT NULL,
account_name TEXT NOT NULL,

             sticky INTEGER NOT NULL DEFAULT 0,
             UNIQUE (id, product_arn, account, region)
         );
INSERT INTO "finding" VALUES(1,'arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default','222222222222','f1','rule-1','eu-west-1','','','2024-05-01T00:00:00.000000000Z','2024-05-01T00:00:00.000000000Z',70,'HIGH',NULL,NULL,'a title','Default','Personal','','UNKNOWN','NEW','NEW','ACTIVE','',0,'','payments',8);
INSERT INTO "finding" VALUES(2,'arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default','222222222222','f2','rule-1','eu-west-1','','','2024-05-01T00:00:00.000000000Z','2024-05-01T00:00:00.000000000Z',1,'LOW',NULL,NULL,'a title','Default','Personal','','UNKNOWN','NEW','NEW','ACTIVE','',0,'','payments',0);
CREATE TABLE meta (region TEXT NOT NULL, token_key BLOB NOT NULL);
INSERT INTO "meta" VALUES('eu-west-1',X'0000000000000000000000000000000000000000000000000000000000000000');
CREATE TABLE term (
             finding INTEGER NOT NULL REFERENCES finding,
             attribute INTEGER NOT NULL,
             key TEXT NOT NULL,
             value ANY NOT NULL,
             PRIMARY KEY (finding, attribute, key, value)
         ) STRICT, WITHOUT ROWID;
INSERT INTO "term" VALUES(1,5,'','TTPs');
INSERT INTO "term" VALUES(2,5,'','TTPs');
INSERT INTO "term" VALUES(1,16,'','a description');
INSERT INTO "term" VALUES(2,16,'','a description');
INSERT INTO "term" VALUES(1,19,'aws/securityhub/CompanyName','Personal');
INSERT INTO "term" VALUES(2,19,'aws/securityhub/CompanyName','Personal');
INSERT INTO "term" VALUES(1,19,'aws/securityhub/FindingId','arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default/f1');
INSERT INTO "term" VALUES(2,19,'aws/securityhub/FindingId','arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default/f2');
INSERT INTO "term" VALUES(1,19,'aws/securityhub/ProductName','Default');
INSERT INTO "term" VALUES(2,19,'aws/securityhub/ProductName','Default');
INSERT INTO "term" VALUES(1,50,'','AwsEc2Instance');
INSERT INTO "term" VALUES(2,50,'','AwsEc2Instance');
INSERT INTO "term" VALUES(1,51,'','i-1');
INSERT INTO "term" VALUES(2,51,'','i-1');
INSERT INTO "term" VALUES(1,91,'','LOW');
INSERT INTO "term" VALUES(2,91,'','LOW');
INSERT INTO "term" VALUES(1,93,'','TTPs');
INSERT INTO "term" VALUES(2,93,'','TTPs');
CREATE INDEX finding_account ON finding (account);
CREATE INDEX finding_updated_at ON finding (updated_at);
CREATE INDEX finding_created_at ON finding (created_at);
CREATE INDEX finding_generator_id ON finding (generator_id);
CREATE INDEX finding_security_control_id ON finding (security_control_id);
CREATE INDEX term_value ON term (attribute, key, value);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('finding',2);
COMMIT;
