//! `make rollback`: what `make deploy` keeps of a release, and what is deployed again from it.

use serde_json::{Value, json};

use super::operator::Operator;
use super::{TEST, release};

const FIRST: &str = "# The first.\nResources:\n  A:\n    CodeUri: s3://code/a1\n  B:\n    CodeUri: s3://code/b1\n";
const SECOND: &str = "# The second.\nResources:\n  A:\n    CodeUri: s3://code/a2\n  B:\n    CodeUri: s3://code/b1\n";

fn parameters(rate: &str) -> Value {
    json!({ "StripePublishableKey": "pk_test_1", "MailFrom": "Courses <a@example.com>", "FeeFixed": "", "ThrottlingRate": rate })
}

/// A stack whose first release was replaced by the second.
fn with_two_releases() -> Operator {
    let operator = Operator::new();
    operator.has_release("CREATE_COMPLETE", "2026-11-01T08:00:00", FIRST, &parameters("200"));
    operator.succeeds("deploy", &TEST);
    assert_eq!(operator.calls("sam deploy").len(), 1);
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T09:30:00", SECOND, &parameters("300"));
    operator.answers("aws-s3api-head-object", "{}");
    operator
}

/// The message of a rollback that is refused and has deployed nothing.
fn refused(operator: &Operator, arguments: &[&str], typed: &str) -> String {
    let before = operator.calls("sam deploy").len();
    let done = operator.run_with("rollback", arguments, typed);
    assert!(!done.status.success(), "{arguments:?} is let through");
    assert_eq!(operator.calls("sam deploy").len(), before, "{arguments:?}");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn the_release_before_is_deployed_again_without_a_build_and_the_next_rollback_undoes_it() {
    let operator = with_two_releases();
    let built = operator.calls("cargo").len();
    let said = operator.succeeds("rollback", &["--yes"]);
    for line in [
        "from the release of 2026-11-02T09:30:00Z back to that of 2026-11-01T08:00:00Z",
        "1 of 2 functions get other code",
        "ThrottlingRate: 300 becomes 200",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("MailFrom"), "{said}");
    assert_eq!(operator.deployed(), FIRST);
    assert_eq!(operator.calls("cargo").len(), built);
    let call = operator.calls("sam deploy").pop().expect("there is one");
    for part in [
        "--stack-name courses-test --s3-bucket code --capabilities CAPABILITY_IAM --no-confirm-changeset",
        "ThrottlingRate=\"200\"",
        "MailFrom=\"Courses <a@example.com>\"",
        // Without it, SAM would keep the stack's value.
        "FeeFixed=\"\"",
        "| region=eu-central-1 profile=shop ",
    ] {
        assert!(call.contains(part), "{part}: {call}");
    }

    // A template from before these would be refused with them.
    assert!(!call.contains("Release=") && !call.contains("DeploymentPreference="), "{call}");

    // What was taken back is a release too.
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T10:00:00", FIRST, &parameters("200"));
    operator.succeeds("rollback", &["--yes"]);
    assert_eq!(operator.deployed(), SECOND);
    assert!(operator.calls("sam deploy").pop().expect("there is one").contains("ThrottlingRate=\"300\""));
}

#[test]
fn an_older_release_can_be_chosen_by_its_time() {
    let operator = with_two_releases();
    operator.succeeds("deploy", &["test", "--yes"]);
    operator.has_release("UPDATE_COMPLETE", "2026-11-03T09:30:00", "CodeUri: s3://code/a3\n", &parameters("300"));
    operator.succeeds("rollback", &["--yes", "2026-11-01"]);
    assert_eq!(operator.deployed(), FIRST);
    let said = refused(&operator, &["--yes", "2026-10"], "");
    assert!(said.contains("There is no release of 2026-10 to go back to"), "{said}");
    assert!(said.contains("These are kept:\n  2026-11-03T09:30:00Z\n  2026-11-02T09:30:00Z\n  2026-11-01T08:00:00Z\n"), "{said}");
    assert!(refused(&operator, &["--yes", "2026-11-01", "2026-11-02"], "").contains("one TIME at most"));
}

#[test]
fn a_release_that_changed_only_a_parameter_can_be_taken_back() {
    let operator = with_two_releases();
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T09:30:00", FIRST, &parameters("2"));
    let said = operator.succeeds("rollback", &["--yes"]);
    assert!(said.contains("0 of 2 functions get other code") && said.contains("ThrottlingRate: 2 becomes 200"), "{said}");
    assert_eq!(operator.deployed(), FIRST);
}

#[test]
fn a_release_is_gone_back_to_at_once_as_new_versions_of_its_functions() {
    let of = |release: &str| json!({ "ThrottlingRate": "200", "Release": release, "DeploymentPreference": "Canary10Percent10Minutes" });
    let operator = Operator::new();
    operator.has_release("CREATE_COMPLETE", "2026-11-01T08:00:00", FIRST, &of("1000000001"));
    operator.succeeds("deploy", &TEST);
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T09:30:00", SECOND, &of("1000000002"));
    operator.answers("aws-s3api-head-object", "{}");
    // The same once more, from which nobody wants to go back to the same.
    operator.succeeds("deploy", &["test", "--yes"]);
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T10:00:00", SECOND, &of("1000000003"));
    let said = operator.succeeds("rollback", &["--yes"]);
    assert_eq!(operator.deployed(), FIRST);
    assert!(said.contains("DeploymentPreference: Canary10Percent10Minutes becomes AllAtOnce"), "{said}");
    assert!(!said.contains("Release:"), "{said}");
    let call = operator.calls("sam deploy").pop().expect("there is one");
    assert!(call.contains("DeploymentPreference=\"AllAtOnce\""), "{call}");
    assert!(release(&call) > 1_000_000_003, "{call}");
}

#[test]
fn nothing_is_deployed_without_a_release_its_code_or_a_yes() {
    let operator = with_two_releases();
    assert!(refused(&operator, &[], "n\n").contains("Nothing was deployed"));
    assert!(refused(&operator, &[], "").contains("Nothing was deployed"));
    operator.has_release("UPDATE_IN_PROGRESS", "2026-11-02T09:30:00", SECOND, &parameters("300"));
    assert!(refused(&operator, &["--yes"], "").contains("Wait until it is done"));
    operator.has_release("UPDATE_COMPLETE", "2026-11-02T09:30:00", SECOND, &parameters("300"));
    std::fs::remove_file(operator.folder.join("stubs/aws-s3api-head-object")).expect("it is there");
    assert!(refused(&operator, &["--yes"], "").contains("The code of that release is gone"));
    operator.answers("aws-s3api-head-object", "{}");
    // The same release again, as after an update that was rolled back.
    operator.has_release("UPDATE_ROLLBACK_COMPLETE", "2026-11-02T11:00:00", FIRST, &parameters("200"));
    assert!(refused(&operator, &["--yes"], "").contains("There is no earlier release to go back to"));
    assert!(operator.run_with("rollback", &["2026"], "y\n").status.code() == Some(1), "neither by its time");
}

#[test]
fn a_release_that_cannot_be_kept_is_not_replaced() {
    let operator = Operator::new();
    operator.has_release(
        "CREATE_COMPLETE",
        "2026-11-01T08:00:00",
        "Resources:\n  Pages:\n    Properties:\n      CodeUri: target/lambda/pages\n",
        &parameters("200"),
    );
    assert!(operator.refuses(&TEST).contains("names no code in a bucket"));
}
