//! An operator whose machine has stubs for `aws`, `sam`, `cargo` and `rustc`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::super::{entries, functions, root};

/// Records each call, and answers with the file named after the call's first words. Calls without a file do not exist at AWS. Buckets are
/// folders, and the template of the last `sam deploy` is kept.
const STUB: &str = r#"#!/usr/bin/env bash
name=$(basename "$0")
echo "$name $* | region=${AWS_REGION:-} profile=${AWS_PROFILE:-} key=${AWS_ACCESS_KEY_ID:-} publishable=${STRIPE_PUBLISHABLE_KEY:-}\
 tables=${TABLE_NAME:-},${CREDENTIALS_TABLE_NAME:-} secrets=${STRIPE_SECRET_ARN:-},${TOKEN_KEYS_SECRET_ARN:-}" >>"$STUBS/calls"
case "$name $*" in
  'cargo lambda build'*)
    [[ "$*" == *aarch64* ]] && machine='\xb7' || machine='\x3e'
    [ -f "$STUBS/builds-for-another" ] && machine='\x3e'
    while [ $# -gt 0 ]; do
      if [ "$1" = --package ]; then
        mkdir -p "target/lambda/$2"
        printf "\x7fELF%014d$machine\\0" 0 >"target/lambda/$2/bootstrap"
      fi
      shift
    done
    exit ;;
  'cargo tree'*) exit ;;
  'aws s3 cp s3://'*) exec cat "$STUBS/buckets/${3#s3://}" ;;
  'aws s3 cp '*)
    mkdir -p "$(dirname "$STUBS/buckets/${4#s3://}")"
    exec cp "$3" "$STUBS/buckets/${4#s3://}" ;;
  'aws s3api list-objects-v2 --bucket '*)
    cd "$STUBS/buckets/$4" 2>/dev/null || exit 254
    keys=
    for key in "$6"*; do [ -f "$key" ] && keys="$keys,{\"Key\":\"$key\"}"; done
    [ -z "$keys" ] || echo "{\"Contents\":[${keys#,}]}"
    exit 0 ;;
  'aws dynamodb restore-table-to-point-in-time --source-table-name '*)
    echo "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"TableArn\":\"arn:$6\"}}" >"$STUBS/aws-dynamodb-describe-table---table-name-$6"
    exit ;;
  'sam deploy --template-file '*) cp "$3" "$STUBS/deployed.yaml" ;;
esac
words=$name
for word in "$@"; do
  words=$words-${word//[^a-zA-Z0-9@.=_-]/_}
  [ -f "$STUBS/$words" ] && found=$STUBS/$words
done
[ -n "${found:-}" ] && exec cat "$found"
echo "Stack with id x does not exist" >&2
exit 254
"#;

/// A copy of what the scripts need, and a folder with the stubs' responses.
pub struct Operator {
    pub folder: PathBuf,
    variables: BTreeMap<&'static str, &'static str>,
}

impl Operator {
    /// With a new AWS account that only has a domain verified at SES.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("deploy-{}-{number}", std::process::id()));
        let operator = Self { folder, variables: BTreeMap::new() };
        for part in ["scripts", "stubs", "web"] {
            fs::create_dir_all(operator.folder.join(part)).expect("a folder is made");
        }
        for function in functions() {
            fs::create_dir_all(operator.folder.join("functions").join(function)).expect("a folder is made");
        }
        for script in [
            "deploy",
            "restore",
            "rollback",
            "stack.py",
            "stages.py",
            "build-release",
            "upload-storefront",
            "stripe-setup",
            "on-stage",
            "budget",
        ] {
            fs::copy(root().join("scripts").join(script), operator.folder.join("scripts").join(script)).expect("it is copied");
        }
        fs::copy(root().join("template.yaml"), operator.folder.join("template.yaml")).expect("it is copied");
        for program in ["aws", "sam", "cargo", "rustc", "cargo-lambda"] {
            let stub = operator.folder.join("stubs").join(program);
            fs::write(&stub, STUB).expect("it is written");
            fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("it is made a program");
        }
        // If pyenv starts Python, it puts its own folder before the stubs in the path.
        let python = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().expect("Python is there").stdout;
        let python = String::from_utf8(python).expect("a path");
        std::os::unix::fs::symlink(python.trim(), operator.folder.join("stubs/python3")).expect("it is linked");
        operator.answers("aws---version", "aws-cli/2.31.0 Python/3.13");
        operator.answers("sam---version", "SAM CLI, version 1.145.0");
        operator.answers("sam-deploy", "");
        operator.answers("cargo-lambda---version", "cargo-lambda 1.9.2 (67129fc 2026-08-21Z)");
        operator.answers("cargo-lambda-system", r#"{"zig":{"command":"zig","version":"0.15.1"}}"#);
        operator.answers("cargo-run", "");
        operator.answers("rustc---print-target-libdir---target-aarch64-unknown-linux-gnu", "/tmp");
        operator.answers("aws-sts-get-caller-identity", &json!({ "Account": "123456789012" }).to_string());
        operator.answers("aws-lambda-get-account-settings", &limits(10, 10));
        for stack in ["courses-test", "courses-live"] {
            operator.answers(&format!("aws-cloudformation-describe-stacks---stack-name-{stack}---output-text"), "None");
        }
        operator.answers("aws-sesv2-get-account", &json!({ "ProductionAccessEnabled": true, "SendingEnabled": true }).to_string());
        let identity = json!({ "VerifiedForSendingStatus": true, "ConfigurationSetName": "first" });
        operator.answers("aws-sesv2-get-email-identity---email-identity-example.com", &identity.to_string());
        operator
    }

    pub fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    /// Sets the response to calls that begin with these words, joined by hyphens.
    pub fn answers(&self, words: &str, answer: &str) {
        fs::write(self.folder.join("stubs").join(words), answer).expect("it is written");
    }

    /// Creates the stack, as CloudFormation describes it to the script and to a query for an output.
    pub fn has_stack(&self, status: &str, parameters: &serde_json::Value) {
        self.has_release(status, "2026-11-01T08:00:00", "CodeUri: s3://code/first\n", parameters);
    }

    /// As [`Self::has_stack`], deployed at this time with this template.
    pub fn has_release(&self, status: &str, at: &str, template: &str, parameters: &serde_json::Value) {
        let parameters: Vec<_> =
            entries(parameters).map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value })).collect();
        let stack = json!({ "StackStatus": status, "Parameters": parameters, "CreationTime": "2026-10-01T00:00:00.1+00:00",
            "LastUpdatedTime": format!("{at}.123000+00:00") });
        self.answers("aws-cloudformation-describe-stacks", &json!({ "Stacks": [stack] }).to_string());
        self.answers("aws-cloudformation-get-template", &json!({ "TemplateBody": template }).to_string());
    }

    /// The template of the last `sam deploy`.
    pub fn deployed(&self) -> String {
        fs::read_to_string(self.folder.join("stubs/deployed.yaml")).expect("something was deployed")
    }

    pub fn run(&self, script: &str, arguments: &[&str]) -> Output {
        self.run_with(script, arguments, "")
    }

    /// Runs a script with typed input.
    pub fn run_with(&self, script: &str, arguments: &[&str], typed: &str) -> Output {
        let path = format!("{}:{}", self.folder.join("stubs").display(), std::env::var("PATH").expect("there is a path"));
        let mut command = Command::new(self.folder.join("scripts").join(script));
        for name in ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "STAGE", "STACK", "ARCH", "YES"] {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(&self.folder).env("PATH", path).env("STUBS", self.folder.join("stubs")).envs(&self.variables);
        fs::write(self.folder.join("typed"), typed).expect("it is written");
        command.stdin(fs::File::open(self.folder.join("typed")).expect("it is there")).output().expect("it starts")
    }

    pub fn succeeds(&self, script: &str, arguments: &[&str]) -> String {
        let done = self.run(script, arguments);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
        said
    }

    /// The message of a deploy that is refused.
    pub fn refuses(&self, arguments: &[&str]) -> String {
        let done = self.run("deploy", arguments);
        assert!(!done.status.success(), "{arguments:?} is let through");
        assert!(self.calls("cargo lambda build").is_empty() && self.calls("sam deploy").is_empty(), "it is refused too late");
        String::from_utf8_lossy(&done.stderr).into_owned()
    }

    /// The calls that begin with this text.
    pub fn calls(&self, beginning: &str) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("stubs/calls")).unwrap_or_default();
        calls.lines().filter(|call| call.starts_with(beginning)).map(str::to_owned).collect()
    }

    pub fn config(&self) -> toml::Table {
        fs::read_to_string(self.folder.join("samconfig.toml")).expect("it is written").parse().expect("it is TOML")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Lambda's description of the account's limits.
pub fn limits(limit: u32, unreserved: u32) -> String {
    json!({ "AccountLimit": { "ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved } }).to_string()
}
