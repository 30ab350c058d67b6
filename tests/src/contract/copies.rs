//! Copies of the tables in another region or account, if `BackupCopyTo` names a vault there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::template::Template;
use super::{all_strings, entries, file, list, text};

fn arns() -> Value {
    json!([{ "Fn::GetAtt": ["Table", "Arn"] }, { "Fn::GetAtt": ["CredentialsTable", "Arn"] }])
}

#[test]
fn nothing_of_them_exists_unless_a_vault_is_named() {
    let template = Template::read();
    assert_eq!(template.parameter_default("BackupCopyTo"), Some(&json!("")));
    assert_eq!(template.at("/Conditions/HasBackupCopy"), &json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "BackupCopyTo" }, ""] }] }));
    let parts = entries(template.at("/Resources")).filter(|(id, _)| id.starts_with("Backup"));
    let count = parts.inspect(|(id, part)| assert_eq!(part["Condition"], "HasBackupCopy", "{id}")).count();
    assert_eq!(count, 8);
}

#[test]
fn every_table_is_copied_to_it_each_day_and_kept_as_long_as_it_can_be_restored_here() {
    let template = Template::read();
    let plan = template.property("BackupPlan", "BackupPlan");
    let [rule] = list(&plan["BackupPlanRule"]) else { panic!("{plan} has not one rule") };
    let copies = json!([{ "DestinationBackupVaultArn": { "Ref": "BackupCopyTo" }, "Lifecycle": { "DeleteAfterDays": 35 } }]);
    assert_eq!((&rule["CopyActions"], &rule["TargetBackupVault"]), (&copies, &json!({ "Ref": "BackupVault" })));
    assert_eq!(rule["ScheduleExpression"], "cron(0 3 * * ? *)");
    // DynamoDB's point-in-time recovery has as many days unless the template says otherwise, and security.md promises no more.
    for id in ["Table", "CredentialsTable"] {
        assert_eq!(template.property(id, "PointInTimeRecoverySpecification").get("RecoveryPeriodInDays"), None, "{id}");
    }
    assert!(file("docs/security.md").contains("for up to 35 days more"));

    let selection = template.property("BackupSelection", "BackupSelection");
    assert_eq!((&selection["Resources"], &selection["IamRoleArn"]), (&arns(), &json!({ "Fn::GetAtt": ["BackupRole", "Arn"] })));
    assert_eq!(template.resources("AWS::DynamoDB::Table").len(), list(&arns()).len(), "a table is not copied");
}

#[test]
fn the_role_backs_up_these_tables_copies_to_this_vault_and_cannot_restore() {
    let template = Template::read();
    let trust = template.property("BackupRole", "AssumeRolePolicyDocument");
    let trusted = json!([{ "Effect": "Allow", "Principal": { "Service": "backup.amazonaws.com" }, "Action": "sts:AssumeRole" }]);
    assert_eq!(trust["Statement"], trusted);
    let [policy] = list(template.property("BackupRole", "Policies")) else { panic!("it has not one policy") };
    for statement in list(&policy["PolicyDocument"]["Statement"]) {
        let sid = text(&statement["Sid"]);
        let mut actions = Vec::new();
        all_strings(&statement["Action"], &mut actions);
        assert!(actions.iter().all(|action| !action.contains('*') && !action.contains("Restore")), "{statement}");
        let resource = &statement["Resource"];
        match sid {
            "Tables" => assert_eq!(resource, &arns()),
            "Backups" => {
                let of = |table: &str| json!({ "Fn::Sub": format!("${{{table}.Arn}}/backup/*") });
                assert_eq!(resource, &json!([of("Table"), of("CredentialsTable")]));
            }
            "Vaults" => {
                assert_eq!(resource, &json!([{ "Fn::GetAtt": ["BackupVault", "BackupVaultArn"] }, { "Ref": "BackupCopyTo" }]));
            }
            "Copies" => {
                let targets = json!({ "ForAllValues:ArnEquals": { "backup:CopyTargets": [{ "Ref": "BackupCopyTo" }] } });
                assert_eq!((actions.as_slice(), &statement["Condition"]), (["backup:CopyFromBackupVault"].as_slice(), &targets));
            }
            "TableKeys" | "VaultKeys" | "Grants" => {
                assert!(actions.iter().all(|action| action.starts_with("kms:")), "{statement}");
                assert!(sid == "VaultKeys" || statement.get("Condition").is_some(), "{statement}");
            }
            _ => panic!("{statement} is not needed"),
        }
    }
}

#[test]
fn what_fails_is_kept_with_its_reason_and_raises_an_alarm() {
    let template = Template::read();
    let rule = template.at("/Resources/BackupFailed/Properties");
    let detail = &rule["EventPattern"]["detail"];
    assert_eq!(detail["resourceArn"], arns());
    // All states of jobs that have ended, but COMPLETED. <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupJob.html>
    assert_eq!(super::strings(&detail["state"]), BTreeSet::from(["ABORTED", "EXPIRED", "FAILED", "PARTIAL"]));
    let queue = json!({ "Fn::GetAtt": ["BackupFailures", "Arn"] });
    assert_eq!(rule["Targets"][0]["Arn"], queue);
    assert_eq!(
        template.property("BackupFailuresPolicy", "PolicyDocument")["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": { "ArnEquals": { "aws:SourceArn": { "Fn::GetAtt": ["BackupFailed", "Arn"] } } },
        }])
    );
}
