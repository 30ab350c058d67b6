//! The deployment scripts, run in a copy of the project against stubs of `aws`, `sam`, `cargo`
//! and `rustc`: what they call, in which order, in which region and with whose credentials.

mod operator;
mod restore;
mod rollback;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::template::Template;
use super::{entries, file, root, text};
use operator::{Operator, limits};

const TEST: [&str; 8] = [
    "test",
    "--yes",
    "region=eu-central-1",
    "profile=shop",
    "StripePublishableKey=pk_test_1",
    "StripeClientId=ca_test",
    "StorefrontUrl=https://shop.example.com",
    "MailFrom=Courses <courses@example.com>",
];

/// The parameter in a call of `sam deploy` that tells a deploy from others.
fn release(call: &str) -> u64 {
    let value = call.split("Release=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("it is given");
    assert_eq!(value.len(), 10, "SAM names versions after ten characters: {value}");
    value.parse().expect("a number of seconds")
}

fn strings(value: &toml::Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a text")).collect()
}

#[test]
fn a_first_deploy_checks_aws_builds_once_and_deploys_the_build() {
    let operator = Operator::new().with("AWS_ACCESS_KEY_ID", "of another account");
    let said = operator.succeeds("deploy", &[&TEST[..], &["WebhookReservedConcurrency=5"]].concat());
    assert!(said.contains("account 123456789012") && said.contains("eu-central-1"), "{said}");
    assert!(said.contains("WebhookReservedConcurrency is 0 and not 5"), "{said}");

    let order: Vec<String> = ["aws sts", "aws cloudformation", "aws sesv2", "aws lambda", "cargo lambda build", "sam deploy"]
        .map(|call| operator.calls(call).remove(0))
        .into();
    let all = operator.calls("");
    let places: Vec<_> = order.iter().map(|call| all.iter().position(|other| other == call)).collect();
    assert!(places.is_sorted(), "{all:#?}");
    for call in all.iter().filter(|call| !call.contains("version") && (call.starts_with("aws ") || call.starts_with("sam "))) {
        assert!(call.contains("| region=eu-central-1 profile=shop key= "), "{call}");
    }

    let built = operator.calls("cargo lambda build");
    assert!(built.iter().all(|call| call.contains("--release") && call.contains("aarch64-unknown-linux-gnu")), "{built:#?}");
    assert!(operator.calls("sam build").is_empty());
    // If the rest of the stack fails, the unprotected table can be deleted again.
    let [first, second] = operator.calls("sam deploy").try_into().expect("two calls");
    // The second only adds the protection, and publishes nothing again.
    assert_eq!(release(&first), release(&second));
    for (call, protection) in [(&first, "false"), (&second, "true")] {
        assert!(call.contains("sam deploy --template-file template.yaml --config-env test --no-fail-on-empty-changeset"), "{call}");
        for parameter in [
            &format!("DeletionProtection=\"{protection}\""),
            "Architecture=\"arm64\"",
            "MailIdentity=\"example.com\"",
            "MailConfigurationSet=\"first\"",
            "MailFrom=\"Courses <courses@example.com>\"",
            "WebhookReservedConcurrency=\"0\"",
        ] {
            assert!(call.contains(parameter), "{parameter}: {call}");
        }
    }

    let config = operator.config();
    let place = config["test"]["global"]["parameters"].as_table().expect("a table");
    let place: BTreeMap<_, _> = place.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("a text"))).collect();
    assert_eq!(place, BTreeMap::from([("profile", "shop"), ("region", "eu-central-1"), ("stack_name", "courses-test")]));
    let deploy = &config["test"]["deploy"]["parameters"];
    assert_eq!((deploy["capabilities"].as_str(), deploy["resolve_s3"].as_bool()), (Some("CAPABILITY_IAM"), Some(true)));
    assert!(strings(&deploy["parameter_overrides"]).contains(&"StripeClientId=\"ca_test\""));
}

#[test]
fn the_next_deploy_asks_nothing_and_every_script_uses_the_same_target() {
    let operator = Operator::new();
    operator.succeeds("deploy", &TEST);
    fs::remove_file(operator.folder.join("stubs/calls")).expect("it is there");
    let deployed = json!({ "StripePublishableKey": "pk_test_1", "WebhookReservedConcurrency": "0", "Release": "1000000000" });
    operator.has_stack("UPDATE_COMPLETE", &deployed);
    let said = operator.succeeds("deploy", &["test", "--yes"]);
    assert!(!said.contains("Release"), "{said}");
    // What is the same is published again too: a deploy that failed may have left it behind as Lambda's last version.
    let config = operator.config();
    let stored = strings(&config["test"]["deploy"]["parameters"]["parameter_overrides"]).join(" ");
    assert!(release(&stored) > 1_000_000_000);
    let [update] = operator.calls("sam deploy").try_into().expect("one call");
    assert!(update.contains("--config-env test --no-fail-on-empty-changeset --no-confirm-changeset |"), "{update}");

    operator.answers("aws-configure-export-credentials", "export AWS_ACCESS_KEY_ID=of-the-profile");
    let describe = "aws-cloudformation-describe-stacks---stack-name-courses-test---output-text---query";
    for (output, value) in [
        ("WebhookUrl", "https://api.example/webhooks/stripe"),
        ("StripeSecretArn", "arn:aws:secretsmanager:eu-central-1:1:secret:x"),
        ("OAuthCallbackUrl", "https://api.example/users/oauth/callback"),
        ("StorefrontBucket", "pages"),
        ("DistributionId", "E1"),
        ("StorefrontUrl", "https://shop.example.com"),
    ] {
        operator.answers(&format!("{describe}-Stacks_0_.Outputs__OutputKey==_{output}__.OutputValue____0_"), value);
    }
    for (parameter, value) in [("StripePublishableKey", "pk_test_1"), ("AccountsApi", "auto")] {
        operator.answers(&format!("{describe}-Stacks_0_.Parameters__ParameterKey==_{parameter}__.ParameterValue____0_"), value);
    }
    operator.answers("aws-s3-sync", "");
    operator.answers("aws-cloudfront-create-invalidation", "I1");
    for script in ["stripe-setup", "upload-storefront"] {
        operator.succeeds(script, &[]);
        operator.succeeds(script, &["courses-test"]);
    }
    let calls: Vec<_> = operator.calls("aws ").into_iter().filter(|call| !call.contains("--version")).collect();
    assert!(calls.iter().all(|call| call.contains("| region=eu-central-1 profile=shop ")), "{calls:#?}");
    let registered = operator.calls("cargo run --quiet --bin operator -- stripe-setup");
    assert_eq!(registered.len(), 2);
    assert!(registered[0].contains("region=eu-central-1") && registered[0].contains("publishable=pk_test_1"), "{registered:#?}");
    for (output, value) in [("TableName", "table-1"), ("CredentialsTableName", "table-2"), ("TokenKeysSecretArn", "arn:keys")] {
        operator.answers(&format!("{describe}-Stacks_0_.Outputs__OutputKey==_{output}__.OutputValue____0_"), value);
    }
    operator.succeeds("on-stage", &["staff", "a@example.com"]);
    let staff = operator.calls("cargo run --quiet --bin operator -- staff a@example.com").remove(0);
    assert!(
        staff.contains("region=eu-central-1")
            && staff.ends_with("tables=table-1,table-2 secrets=arn:aws:secretsmanager:eu-central-1:1:secret:x,arn:keys"),
        "{staff}"
    );
    assert_eq!(operator.run("budget", &["a lot"]).status.code(), Some(2));
    operator.answers(&format!("{describe}-Stacks_0_.Parameters__ParameterKey==_AlarmEmail__.ParameterValue____0_"), "b@example.com");
    operator.answers("aws-sts-get-caller-identity---query-Account---output-text", "123456789012");
    operator.answers("aws-budgets-create-budget", "");
    operator.succeeds("budget", &["100"]);
    operator.answers("aws-budgets-describe-budget", "{}");
    operator.answers("aws-budgets-update-budget", "");
    operator.succeeds("budget", &["200"]);
    let made = operator.calls("aws budgets create-budget").remove(0);
    assert!(
        made.contains("--account-id 123456789012 ")
            && made.contains(r#""Amount":"100""#)
            && made.matches(r#""Address":"b@example.com""#).count() == 2,
        "{made}"
    );
    assert!(operator.calls("aws budgets update-budget").remove(0).contains(r#""Amount":"200""#));
    let [forgotten, _] = operator.calls("aws cloudfront create-invalidation --distribution-id E1").try_into().expect("two calls");
    assert!(forgotten.contains("--paths /*"), "{forgotten}");
}

#[test]
fn questions_are_repeated_until_the_answer_is_valid() {
    let operator = Operator::new();
    let typed = [
        "test",
        "nowhere",
        "eu-central-1",
        "",
        "pk_live_1",
        "pk_test_1",
        "",
        "ca_test",
        "",
        "",
        "no",
        "false",
        "",
        "https://shop.example.com",
        "",
        "courses@example.com",
        "",
        "y",
        "",
    ];
    let done = operator.run_with("deploy", &[], &typed.join("\n"));
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    for question in [
        "Which mode of Stripe?",
        "The AWS region",
        "pk_test_... or pk_live_...; it is public.",
        "StripePublishableKey must be pk_test_…",
        "StripeClientId must be the client id",
        "PlatformCountry [US]:",
        "ChargeType [auto]:",
        "Storefront is one of true, false",
        "StorefrontUrl must be given",
        "AllowedOrigins [https://shop.example.com]:",
        "The sender of mails",
        "Deploy? [y/N]",
    ] {
        assert!(said.contains(question), "{question}: {said}");
    }
    assert_eq!(operator.calls("sam deploy").len(), 2);

    // A stack from before stages existed is taken over, whatever SAM has recorded about it.
    fs::write(
        operator.folder.join("samconfig.toml"),
        "version = 0.1\n[default.deploy.parameters]\nstack_name = \"shop\"\nregion = \"eu-west-1\"\n",
    )
    .expect("it is written");
    operator.answers("aws-cloudformation-describe-stacks---stack-name-shop---output-text", "None");
    operator.succeeds("deploy", &[&TEST[..2], &["region=eu-west-1", "stack=shop"], &TEST[4..]].concat());
    assert!(operator.config().contains_key("default") && operator.config().contains_key("test"));
    operator.succeeds("upload-storefront", &[]);
}

#[test]
fn a_stage_does_not_move_and_leave_its_stack_behind() {
    let operator = Operator::new();
    operator.succeeds("deploy", &TEST);
    let config = operator.config();
    for place in ["region=eu-west-1", "stack=other"] {
        let done = operator.run("deploy", &["test", "--yes", place]);
        assert!(!done.status.success() && String::from_utf8_lossy(&done.stderr).contains("a stack cannot move"), "{done:?}");
    }
    assert_eq!(operator.config(), config);
    operator.succeeds("deploy", &["test", "--yes", "region=eu-central-1"]);
}

#[test]
fn invalid_settings_are_refused_before_anything_is_built() {
    let operator = Operator::new();
    let without = |name: &str| -> Vec<&str> { TEST.into_iter().filter(|word| !word.starts_with(name)).collect() };
    for (name, said) in [
        ("StripePublishableKey", "StripePublishableKey must be pk_test_…"),
        ("StripeClientId", "StripeClientId must be the client id, ca_..."),
        ("StorefrontUrl", "StorefrontUrl must be given with Storefront"),
        ("MailFrom", "MailFrom must be an address"),
        ("region", "region must be given"),
    ] {
        let complaint = operator.refuses(&without(name));
        assert!(complaint.contains(said), "{name}: {complaint}");
    }
    for (word, said) in [
        ("PlatformCountry=us", "two upper-case letters"),
        ("MembershipGraceDays=61", "from 1 to 60"),
        ("ChargeType=both", "is one of auto, direct, destination, separate"),
        ("AllowedOrigins=https://*.example.com", "origins such as"),
        ("ChallengeUrl=https://a.example", "ChallengeSecretArn must be given with ChallengeUrl"),
        ("ChallengeUrl=http://a.example", "ChallengeUrl must be an https URL"),
        ("TermsOfUseUrl=https://a.example/terms", "TermsOfUseVersion must be given with TermsOfUseUrl"),
        ("TermsOfUseUrl=javascript:alert(1)", "TermsOfUseUrl must be an https URL"),
        ("StripeApiBase=http://127.0.0.1:12111", "StripeApiBase must be an https URL"),
        ("StripeConnectBase=", "StripeConnectBase must be an https URL"),
        ("Colour=red", "no parameter Colour"),
        ("Architecture=riscv", "Architecture is one of"),
        ("StripePublishableKey=pk_live_1", "must be pk_test_"),
    ] {
        let complaint = operator.refuses(&[&TEST[..], &[word]].concat());
        assert!(complaint.contains(said), "{word}: {complaint}");
    }
    let acl = "WebAclArn=arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/1";
    let complaint = operator.refuses(&[&TEST[..], &[acl, "PublicApiUrl=https://api.example.com"]].concat());
    assert!(complaint.contains("PublicApiUrl must be empty with WebAclArn"), "{complaint}");
    for status in ["ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", "DELETE_FAILED"] {
        operator.has_stack(status, &json!({}));
        assert!(operator.refuses(&TEST).contains(status));
    }
    operator.has_stack("CREATE_COMPLETE", &json!({ "StripePublishableKey": "pk_live_1" }));
    assert!(operator.refuses(&TEST).contains("works in the other mode"));
    fs::remove_file(operator.folder.join("stubs/aws-sts-get-caller-identity")).expect("it is there");
    assert!(operator.refuses(&TEST).contains("no AWS credentials that work"));
    operator.answers("aws---version", "aws-cli/1.45.11 Python/3.11");
    operator.answers("cargo-lambda-system", "{}");
    let complaint = operator.refuses(&[&TEST[..], &["Architecture=x86_64"]].concat());
    for said in ["The AWS CLI, version 2", "cargo-lambda 1.9.2 or newer, with Zig", "rustup target add x86_64-unknown-linux-gnu"] {
        assert!(complaint.contains(said), "{complaint}");
    }
    assert!(!complaint.contains("SAM"), "{complaint}");
    operator.answers("cargo-lambda-system", r#"{"zig":{"version":"0.15.1"}}"#);
    for (sam, cargo_lambda, is_enough) in
        [("1.139.9", "1.9.1", false), ("1.9.0", "1.8.10", false), ("1.140.0", "1.9.2", true), ("2.0.0", "1.10.0", true)]
    {
        operator.answers("sam---version", &format!("SAM CLI, version {sam}"));
        operator.answers("cargo-lambda---version", &format!("cargo-lambda {cargo_lambda} (67129fc 2026-08-21Z)"));
        let complaint = operator.refuses(&TEST);
        for said in ["The SAM CLI, version 1.140.0 or newer", "cargo-lambda 1.9.2 or newer"] {
            assert_eq!(complaint.contains(said), !is_enough, "{sam}, {cargo_lambda}: {complaint}");
        }
    }
    let tried = file("scripts/rehearse/requirements.txt");
    assert!(tried.contains("aws-sam-cli>=1.140,") && tried.contains("cargo-lambda==1.9.2"), "{tried}");
    assert!(!operator.folder.join("samconfig.toml").exists(), "refused settings are not stored");
}

#[test]
fn functions_are_built_for_the_architecture_they_are_deployed_to() {
    let operator = Operator::new().with("ARCH", "x86_64");
    operator.answers("rustc---print-target-libdir---target-x86_64-unknown-linux-gnu", "/tmp");
    operator.succeeds("deploy", &TEST);
    assert!(operator.calls("cargo lambda build").iter().all(|call| call.contains("x86_64-unknown-linux-gnu")));
    assert!(operator.calls("sam deploy").iter().all(|call| call.contains("Architecture=\"x86_64\"")));

    // A stack keeps its architecture, from another clone as well.
    let operator = Operator::new();
    operator.has_stack("CREATE_COMPLETE", &json!({ "Architecture": "x86_64" }));
    let complaint = operator.refuses(&TEST);
    assert!(complaint.contains("rustup target add x86_64-unknown-linux-gnu"), "{complaint}");
    operator.answers("rustc---print-target-libdir---target-x86_64-unknown-linux-gnu", "/tmp");
    operator.succeeds("deploy", &TEST);
    assert!(operator.calls("cargo lambda build").iter().all(|call| call.contains("x86_64-unknown-linux-gnu")));

    let operator = Operator::new();
    operator.answers("builds-for-another", "");
    let done = operator.run("deploy", &TEST);
    assert!(String::from_utf8_lossy(&done.stderr).contains("is not built for arm64"));
    assert!(operator.calls("sam deploy").is_empty());
}

#[test]
fn a_live_stage_shares_nothing_with_the_test_stage() {
    let operator = Operator::new();
    operator.succeeds("deploy", &TEST);
    let live = ["live", "--yes", "region=eu-central-1", "StripePublishableKey=pk_live_1", "StorefrontUrl=https://shop.example.com"];
    let complaint = operator.run("deploy", &[&live[..], &["StripeClientId=ca_test"]].concat());
    let complaint = String::from_utf8_lossy(&complaint.stderr).into_owned();
    for said in ["MailFrom must be", "AlarmEmail must be given", "StripeClientId is another stage's"] {
        assert!(complaint.contains(said), "{complaint}");
    }
    let given = [&live[..], &["StripeClientId=ca_live", "MailFrom=a@example.com", "AlarmEmail=b@example.com"]].concat();
    let same = operator.run("deploy", &[&given[..], &["stack=courses-test"]].concat());
    assert!(String::from_utf8_lossy(&same.stderr).contains("is the stage test's"));
    operator.answers("aws-lambda-get-account-settings", &limits(1000, 1000));
    operator.succeeds("deploy", &[&given[..], &["WebhookReservedConcurrency=20"]].concat());
    let config = operator.config();
    for (stage, key) in [("test", "pk_test_1"), ("live", "pk_live_1")] {
        let deploy = &config[stage]["deploy"]["parameters"]["parameter_overrides"];
        assert!(strings(deploy).contains(&format!("StripePublishableKey=\"{key}\"").as_str()), "{stage}");
        assert_eq!(config[stage]["global"]["parameters"]["stack_name"].as_str(), Some(format!("courses-{stage}").as_str()));
    }
    assert!(operator.calls("sam deploy")[2].contains("WebhookReservedConcurrency=\"20\""));
    // What the runbook tells operators to type in their own shell.
    let shell = "eval \"$(STAGE=live scripts/stages.py)\"; echo $stack $AWS_REGION";
    assert!(file("docs/operations.md").contains("eval \"$(STAGE=test scripts/stages.py)\""));
    let done =
        Command::new("bash").args(["-c", shell]).current_dir(&operator.folder).env_remove("AWS_REGION").output().expect("bash is there");
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "courses-live eu-central-1");
    // With two stages, the script does not guess which one.
    let which = operator.run("stripe-setup", &[]);
    assert!(String::from_utf8_lossy(&which.stderr).contains("Which stage?"));
}

#[test]
fn the_script_reads_the_parameters_as_the_template_has_them() {
    let program = "import sys, json, importlib.machinery as m, importlib.util as u; sys.path.insert(0, 'scripts'); sys.dont_write_bytecode = True; \
                   l = m.SourceFileLoader('deploy', 'scripts/deploy'); d = u.module_from_spec(u.spec_from_loader('deploy', l)); l.exec_module(d); \
                   print(json.dumps([d.declared(open('template.yaml').read()), d.ASKED]))";
    let output = Command::new("python3").args(["-c", program]).current_dir(root()).output().expect("Python is there");
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let template = Template::read();
    let declared = template.at("/Parameters");
    assert_eq!(entries(declared).count(), entries(&read[0]).count());
    for (name, parameter) in entries(declared) {
        for (field, value) in entries(parameter) {
            let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let got = &read[0][name][field];
            match value.as_array() {
                Some(items) => assert_eq!(got, &json!(items.iter().map(plain).collect::<Vec<_>>()), "{name}"),
                None => assert_eq!(got, &json!(plain(value).trim()), "{name}"),
            }
        }
    }
    for name in super::list(&read[1]) {
        assert!(declared.get(text(name)).is_some(), "{name} is requested but is not a parameter");
    }
}

#[test]
fn the_make_targets_pass_on_the_stage() {
    let makefile = file("Makefile");
    for (verb, script) in [
        ("deploy", "deploy"),
        ("restore", "restore"),
        ("rollback", "rollback"),
        ("stripe-setup", "stripe-setup"),
        ("storefront", "upload-storefront"),
    ] {
        let recipe = makefile.split(&format!("\n{verb}:")).nth(1).and_then(|rest| rest.lines().nth(1)).expect("the target has a recipe");
        assert!(recipe.contains(&format!("STAGE='$(STAGE)' scripts/{script}")), "{verb}: {recipe}");
    }
    assert!(!file("scripts/rehearse/__main__.py").contains("samconfig") && Path::new(&root()).join("scripts/stages.py").exists());
}

#[test]
fn a_pipeline_without_a_config_uses_the_stacks_parameters() {
    let operator = Operator::new();
    let has = json!({ "StripePublishableKey": "pk_live_1", "StripeClientId": "ca_live", "MailFrom": "a@example.com", "MailIdentity": "example.com",
        "Storefront": "false", "StorefrontUrl": "https://shop.example.com", "AlarmEmail": "b@example.com", "ThrottlingRate": "300",
        "ChargeType": "destination", "ParameterOfAnEarlierVersion": "1" });
    operator.has_stack("UPDATE_COMPLETE", &has);
    operator.succeeds("deploy", &["live", "--yes", "stack=courses-live", "region=eu-central-1", "LogLevel=warn"]);
    let config = operator.config();
    let kept = strings(&config["live"]["deploy"]["parameters"]["parameter_overrides"]);
    // Its sellers stay on the charges that it has, although the default is another by now.
    for parameter in ["StripeClientId=\"ca_live\"", "ThrottlingRate=\"300\"", "LogLevel=\"warn\"", "ChargeType=\"destination\""] {
        assert!(kept.contains(&parameter), "{kept:?}");
    }
    assert!(!kept.iter().any(|parameter| parameter.contains("Earlier")), "{kept:?}");
}

#[test]
fn a_sender_that_ses_has_not_verified_does_not_stop_a_deploy_which_says_what_to_do_where() {
    let operator = Operator::new();
    let said = operator.succeeds("deploy", &[&TEST[..7], &["MailFrom=a@example.org"]].concat());
    let make = "SES does not know example.org in this region: mails wait, and are given up after a week. \
                Run `aws sesv2 create-email-identity --email-identity example.org --region eu-central-1 --profile shop`";
    assert!(said.contains(make), "{said}");
    operator.answers("aws-sesv2-get-email-identity---email-identity-a@example.org", r#"{"VerifiedForSendingStatus":false}"#);
    let said = operator.succeeds("deploy", &["test", "--yes", "MailIdentity=a@example.org"]);
    let look = "SES has not verified a@example.org: mails wait, and are given up after a week. \
                `aws sesv2 get-email-identity --email-identity a@example.org --region eu-central-1 --profile shop`";
    assert!(said.contains(look), "{said}");
}

#[test]
fn what_outlives_a_stack_can_be_imported_and_deployed_over() {
    // The command of the runbook takes it out of the template.
    let page = file("docs/operations.md");
    let command = page.lines().find(|line| line.ends_with(">import.yaml")).expect("the command").trim();
    let operator = Operator::new();
    let done = Command::new("bash").args(["-euc", command]).current_dir(&operator.folder).status().expect("bash is there");
    assert!(done.success(), "{command}");
    let taken = fs::read_to_string(operator.folder.join("import.yaml")).expect("it is written");
    let taken: yaml_serde::Value = yaml_serde::from_str(&taken).expect("it is YAML");
    let taken = taken.get("Resources").and_then(yaml_serde::Value::as_mapping).expect("resources");
    let names: Vec<_> = taken.keys().filter_map(yaml_serde::Value::as_str).collect();
    assert_eq!(names, ["Table", "CredentialsTable", "StripeSecret", "TokenKeysSecret"]);
    for name in names {
        assert!(page.contains(&format!("\"LogicalResourceId\": \"{name}\"")), "{name}");
    }
    // Where only copies of the tables are left, they are imported alone.
    let tables = page.split('`').find(|text| text.ends_with(">tables.yaml")).expect("the command");
    let done = Command::new("bash").args(["-euc", tables]).current_dir(&operator.folder).status().expect("bash is there");
    assert!(done.success(), "{tables}");
    let tables = fs::read_to_string(operator.folder.join("tables.yaml")).expect("it is written");
    let tables: yaml_serde::Value = yaml_serde::from_str(&tables).expect("it is YAML");
    let tables = tables.get("Resources").and_then(yaml_serde::Value::as_mapping).expect("resources");
    assert_eq!(tables.keys().filter_map(yaml_serde::Value::as_str).collect::<Vec<_>>(), ["Table", "CredentialsTable"]);
    // It needs no parameter.
    assert!(!fs::read_to_string(operator.folder.join("import.yaml")).expect("it is there").contains("!Ref"));

    operator.has_release("IMPORT_COMPLETE", "2026-11-01T08:00:00", "Resources: {}\n", &json!({}));
    operator.succeeds("deploy", &TEST);
    let [update] = operator.calls("sam deploy").try_into().expect("one call");
    assert!(update.contains("--no-confirm-changeset |"), "{update}");
}

#[test]
fn a_fixed_charge_type_is_warned_of_when_it_is_set() {
    let operator = Operator::new();
    let warns = |said: &str| said.contains("! ChargeType=destination fixes how every seller is charged");
    assert!(!warns(&operator.succeeds("deploy", &TEST)), "auto is no reason to warn");
    let fixed = [&TEST[..], &["ChargeType=destination"]].concat();
    assert!(warns(&operator.succeeds("deploy", &fixed)));
    operator.has_stack("UPDATE_COMPLETE", &json!({ "StripePublishableKey": "pk_test_1", "ChargeType": "destination" }));
    assert!(!warns(&operator.succeeds("deploy", &["test", "--yes"])), "it is as it was");
}

#[test]
fn a_deploy_says_which_settings_of_a_colleague_it_would_undo() {
    let operator = Operator::new();
    operator.succeeds("deploy", &[&TEST[..], &["ThrottlingRate=300"]].concat());
    // Somebody deploys another rate and another level from a clone of their own.
    let theirs =
        json!({ "StripePublishableKey": "pk_test_1", "ThrottlingRate": "400", "LogLevel": "warn", "DeploymentPreference": "AllAtOnce" });
    operator.has_stack("UPDATE_COMPLETE", &theirs);
    let said = operator.succeeds("deploy", &["test", "--yes", "DeploymentPreference=Canary10Percent10Minutes"]);
    assert!(said.contains("ThrottlingRate: 400 becomes 300, as samconfig.toml has it\n"), "{said}");
    assert!(said.contains("DeploymentPreference: AllAtOnce becomes Canary10Percent10Minutes\n"), "{said}");
    // What the file does not have stays theirs.
    assert!(!said.contains("LogLevel"), "{said}");
    assert!(strings(&operator.config()["test"]["deploy"]["parameters"]["parameter_overrides"]).contains(&"LogLevel=\"warn\""));
}

#[test]
fn the_pipeline_runs_existing_commands_and_stores_no_key() {
    let files = ["docs/pipeline/deploy.yml", "docs/pipeline/stage.yml"].map(file);
    let mut verbs = 0;
    for line in files.iter().flat_map(|file| file.lines()) {
        let Some(command) =
            line.trim().strip_prefix("- run: ").or_else(|| line.trim().strip_prefix("run: ")).filter(|run| run.starts_with("make "))
        else {
            continue;
        };
        verbs += 1;
        let command = command.replacen("make ", "make --dry-run ", 1);
        let done =
            Command::new("bash").args(["-euc", &command]).env("STAGE", "test").env("SET", "stack=a region=b").current_dir(root()).output();
        let done = done.expect("bash is there");
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        let would = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(!command.contains("STAGE") || would.contains("STAGE='test' scripts/"), "{would}");
        assert!(!command.contains("SET") || would.contains("--yes stack=a region=b"), "{would}");
    }
    assert_eq!(verbs, 3);
    let [deploy, stage] = files;
    assert!(deploy.contains("needs: check") && deploy.contains("needs: test") && deploy.contains("cancel-in-progress: false"));
    assert!(stage.contains("environment: ${{ inputs.stage }}") && stage.contains("role-to-assume: ${{ vars.ROLE }}"));
    assert!(![deploy, stage].concat().contains("AWS_SECRET_ACCESS_KEY"));
    let role = file("docs/pipeline/role.yaml");
    assert!(
        role.contains("token.actions.githubusercontent.com:sub: !Sub repo:${Repository}:environment:${Stage}"),
        "anybody's repository may deploy"
    );
}

#[test]
fn the_documented_costs_are_those_that_the_script_computes() {
    let done = Command::new("python3").args(["docs/costs.py", "--check"]).current_dir(root()).output().expect("Python is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_make_target_in_the_documents_exists() {
    let mut seen = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/operations.md", "docs/pipeline/README.md"] {
        let text = file(page);
        let blocks = text.split("```sh").skip(1).map(|block| block.split("```").next().expect("a block"));
        for line in blocks.flat_map(str::lines).map(str::trim) {
            let Some(at) = line.find("make ").filter(|at| line[..*at].split(' ').all(|word| word.is_empty() || word.contains('='))) else {
                continue;
            };
            seen += 1;
            let command = line.split(" #").next().expect("a command").replace('…', "x");
            let command =
                format!("{}make --dry-run {}", &line[..at].replace('…', "x"), &command[command.find("make ").expect("the same") + 5..]);
            let done = Command::new("bash").args(["-c", &command]).current_dir(root()).output().expect("bash is there");
            assert!(done.status.success(), "{page}: {command}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
    assert!(seen > 20, "{seen}");
}
