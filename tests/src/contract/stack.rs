//! What every function, and every resource that holds money, must have.

use std::collections::BTreeSet;

use serde_json::json;
use shared::settings::secrets::{Secret as _, TokenKeys};

use super::template::{Template, called, referred};
use super::text;

#[test]
fn functions_are_rust_binaries_on_the_present_runtime() {
    let template = Template::read();
    let globals = template.at("/Globals/Function");
    assert_eq!(globals["Runtime"], "provided.al2023");
    assert_eq!(globals["Architectures"], json!([{ "Ref": "Architecture" }]));
    assert_eq!(template.at("/Parameters/Architecture/Default"), "arm64");
    for (id, function) in template.resources("AWS::Serverless::Function") {
        // `sam build` would build it again, for the default processor.
        assert_eq!(function.get("Metadata"), None, "{id}");
        let properties = function["Properties"].as_object().expect("it has properties");
        for name in ["Runtime", "Handler", "Architectures", "Policies", "Events"] {
            assert!(!properties.contains_key(name), "{id} has its own {name}");
        }
    }
}

#[test]
fn every_request_is_traced_and_no_sweep() {
    let template = Template::read();
    assert_eq!(template.at("/Globals/Function/Tracing"), "Active");
    let integrations = template.resources("AWS::ApiGatewayV2::Integration");
    for (folder, id) in template.functions() {
        let own = template.at(&format!("/Resources/{id}/Properties")).get("Tracing");
        let rights: Vec<_> = template.statements(id).into_iter().filter(|right| right.to_string().contains("xray:")).collect();
        if integrations.values().any(|integration| integration.to_string().contains(&format!("{id}.Alias"))) {
            assert_eq!(own, None, "{folder} has its own");
            assert_eq!(rights.len(), 1, "{folder} may not send traces");
            assert_eq!(rights[0]["Action"], json!(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]), "{folder}");
        } else {
            assert_eq!(own, Some(&json!("PassThrough")), "{folder} is traced each minute");
            assert!(rights.is_empty(), "{folder} may send traces, and has none");
        }
    }
}

#[test]
fn timeouts_grow_from_stripe_to_the_function_to_the_api() {
    let template = Template::read();
    let stripe = text(template.at("/Globals/Function/Environment/Variables/STRIPE_TIMEOUT_MS")).parse::<i64>().expect("a number");
    for (folder, id) in template.functions() {
        let timeout = template.property(id, "Timeout").as_i64().expect("a number of seconds");
        assert!(timeout < 30 || folder == "reconcile", "{folder} outlives the HTTP API's 30 seconds");
        assert!(template.property(id, "MemorySize").is_i64(), "{folder}");
        if ["charge", "erasures", "memberships", "oauth-callback", "onboarding", "payment-methods", "reconcile", "refunds", "webhook"]
            .contains(&folder)
        {
            assert!(timeout * 1000 > 3 * stripe, "{folder} can end in the middle of a call to Stripe");
        }
    }
    // Otherwise a second request could take over an attempt that the first is still working on.
    for (lease, function) in [(charge::begin::LEASE, "ChargeFunction"), (memberships::begin::LEASE, "MembershipsFunction")] {
        assert!(lease.whole_seconds() > template.property(function, "Timeout").as_i64().expect("a number of seconds"), "{function}");
    }
}

#[test]
fn two_stages_can_coexist() {
    // A literal name would be the same in every stack, and so collide.
    const NAMES: [&str; 8] = ["TableName", "FunctionName", "RoleName", "BucketName", "QueueName", "TopicName", "AlarmName", "LogGroupName"];
    let template = Template::read();
    let mut seen = 0;
    for (id, resource) in super::entries(template.at("/Resources")) {
        for name in NAMES.iter().filter_map(|name| resource["Properties"].get(*name)) {
            seen += 1;
            assert!(name.get("Ref").is_some() || name.to_string().contains("${AWS::StackName}"), "{id} is called {name} in every stack");
        }
    }
    assert!(seen > 0);
}

#[test]
fn stacks_of_one_name_can_coexist_in_two_regions() {
    // The names of CloudFront's resources, of dashboards and of roles are global to the account. CloudFront allows functions and origin access
    // controls 64 characters: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateFunction.html>,
    // <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_OriginAccessControlConfig.html>. The longest regions have 14,
    // and stacks at most 40, as scripts/deploy says.
    assert!(super::file("scripts/deploy").contains(
        r#""stack": ("The name of the stack, which becomes part of the names of its resources", r"[a-zA-Z][-a-zA-Z0-9]{0,39}")"#
    ));
    let template = Template::read();
    let mut seen = BTreeSet::new();
    for (id, resource) in super::entries(template.at("/Resources")) {
        let kind = text(&resource["Type"]);
        let properties = &resource["Properties"];
        let names: Vec<_> = if kind.starts_with("AWS::CloudFront::") {
            // In the properties, or in the part of them that has the configuration.
            let parts = super::entries(properties).filter_map(|(_, part)| part.get("Name"));
            properties.get("Name").into_iter().chain(parts).collect()
        } else {
            ["DashboardName", "RoleName"].iter().filter_map(|name| properties.get(*name)).collect()
        };
        for name in names {
            let sub = text(name.get("Fn::Sub").unwrap_or_else(|| panic!("{id} is called {name} in every stack")));
            let rest = sub.strip_prefix("${AWS::StackName}-${AWS::Region}");
            let rest = rest.unwrap_or_else(|| panic!("{id} is called {name} in every region"));
            assert!(!rest.contains('$') && 40 + 1 + 14 + rest.len() <= 64, "{id} can get too long a name: {name}");
            assert!(seen.insert((kind, sub)), "{id} has the name of another");
        }
    }
    for (kind, count) in [("Function", 3), ("CachePolicy", 3), ("ResponseHeadersPolicy", 4), ("OriginAccessControl", 1)] {
        let kind = format!("AWS::CloudFront::{kind}");
        assert_eq!(template.resources(&kind).len(), count, "{kind}");
        assert_eq!(seen.iter().filter(|(other, _)| *other == kind).count(), count, "{kind} without a name");
    }
}

#[test]
fn every_log_has_a_retention() {
    let template = Template::read();
    let mut groups: BTreeSet<_> = template.resources("AWS::Logs::LogGroup").into_keys().collect();
    for group in &groups {
        assert_eq!(template.property(group, "RetentionInDays"), &json!({ "Ref": "LogRetentionDays" }), "{group}");
    }
    for id in template.functions().into_values() {
        let group = referred(&template.property(id, "LoggingConfig")["LogGroup"]);
        assert!(groups.remove(group), "{id} does not have its own log group");
    }
    assert_eq!(groups, BTreeSet::from(["AccessLogs", "ViewerLogs"]));
}

#[test]
fn access_logs_keep_neither_queries_nor_headers() {
    let template = Template::read();
    let format = text(&template.property("DefaultStage", "AccessLogSettings")["Format"]);
    let format: serde_json::Value = serde_json::from_str(format).expect("it is JSON once filled in");
    let fields: BTreeSet<_> = super::entries(&format).map(|(_, field)| text(field)).collect();
    let allowed = BTreeSet::from([
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.sourceIp",
        "$context.routeKey",
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.integrationErrorMessage",
        "$context.integration.requestId",
        "$context.integration.status",
        "$context.error.message",
    ]);
    assert_eq!(fields.difference(&allowed).collect::<Vec<_>>(), Vec::<&&str>::new());
    // Without it, a client's request id could not be found in this log.
    assert!(fields.contains("$context.integration.requestId"));

    // CloudFront's log, if enabled: who asked, and the id under which the function logged the request.
    let fields = super::strings(template.property("ViewerLogsDelivery", "RecordFields"));
    assert!(fields.contains("c-ip") && fields.contains("x-edge-request-id"));
    for secret in ["cs-uri-query", "cs(Cookie)", "cs(Referer)"] {
        assert!(!fields.contains(secret), "{secret} may contain secrets");
    }
    assert_eq!(template.parameter_default("StorefrontLog"), Some(&json!("false")));
    let parts = super::entries(template.at("/Resources")).filter(|(id, _)| id.starts_with("ViewerLogs"));
    assert!(parts.inspect(|(id, part)| assert_eq!(part["Condition"], "HasStorefrontLog", "{id}")).count() == 5);
}

#[test]
fn resources_that_hold_money_outlive_the_stack() {
    let template = Template::read();
    for id in ["Table", "CredentialsTable", "StripeSecret", "TokenKeysSecret", "StorefrontBucket"] {
        assert_eq!(template.at(&format!("/Resources/{id}/DeletionPolicy")), "RetainExceptOnCreate", "{id}");
        assert_eq!(template.at(&format!("/Resources/{id}/UpdateReplacePolicy")), "Retain", "{id}");
    }
    // Nothing else is retained, or a stack that failed to create would leave it behind.
    let kept = super::entries(template.at("/Resources"))
        .filter(|(_, resource)| resource.get("DeletionPolicy").is_some_and(|policy| policy != "Delete"));
    assert_eq!(kept.count(), 5);
    assert_eq!(template.at("/Parameters/DeletionProtection/Default"), "true");
    for id in ["Table", "CredentialsTable"] {
        assert_eq!(template.property(id, "DeletionProtectionEnabled"), &json!({ "Ref": "DeletionProtection" }), "{id}");
        assert_eq!(template.property(id, "PointInTimeRecoverySpecification"), &json!({ "PointInTimeRecoveryEnabled": true }), "{id}");
        assert_eq!(template.property(id, "SSESpecification"), &json!({ "SSEEnabled": true }), "{id}");
    }
}

#[test]
fn the_table_has_the_keys_that_the_store_uses() {
    let template = Template::read();
    let table = template.at("/Resources/Table/Properties");
    let keys =
        |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
    assert_eq!(table["KeySchema"], keys("pk", "sk"));
    assert_eq!(
        table["GlobalSecondaryIndexes"],
        json!([
            { "IndexName": "gsi1", "KeySchema": keys("gsi1pk", "gsi1sk"), "Projection": { "ProjectionType": "ALL" } },
            { "IndexName": "gsi2", "KeySchema": keys("gsi2pk", "gsi2sk"), "Projection": { "ProjectionType": "KEYS_ONLY" } },
        ])
    );
    assert_eq!(table["TimeToLiveSpecification"], json!({ "AttributeName": "ttl", "Enabled": true }));
    assert_eq!(table["StreamSpecification"], json!({ "StreamViewType": "NEW_IMAGE" }));
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn the_table_of_passwords_has_neither_an_index_nor_a_stream() {
    let template = Template::read();
    let table = template.at("/Resources/CredentialsTable/Properties");
    for name in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes", "StreamSpecification", "KinesisStreamSpecification"] {
        assert_eq!(table.get(name), None, "{name}");
    }
    assert_eq!(table["KeySchema"], template.at("/Resources/Table/Properties/KeySchema").clone());
}

#[test]
fn stripes_secret_is_deployed_empty() {
    let template = Template::read();
    let secret: serde_json::Value = serde_json::from_str(text(template.property("StripeSecret", "SecretString"))).expect("it is JSON");
    // It must match exactly: any change would overwrite the keys of existing deployments when they update. A webhook secret
    // published here would let anybody forge events.
    assert_eq!(secret, json!({ "secret_key": "", "client_id": "", "webhook_secrets": [], "connect_webhook_secrets": [] }));
    serde_json::from_value::<shared::settings::secrets::StripeKeys>(secret).expect("the functions know the shape");
    for (name, parameter) in super::entries(template.at("/Parameters")) {
        let is_secret = name.contains("Secret") && !name.ends_with("SecretArn");
        assert!(!is_secret && parameter.get("NoEcho").is_none(), "{name} is a secret in a parameter");
    }
}

#[test]
fn the_keys_that_seal_tokens_are_generated_as_the_functions_read_them() {
    let template = Template::read();
    let generate = template.property("TokenKeysSecret", "GenerateSecretString");
    assert_eq!(generate.get("IncludeSpace"), None);
    for name in ["ExcludeUppercase", "ExcludePunctuation"] {
        assert_eq!(generate[name], true, "{name}");
    }
    assert_eq!(generate["RequireEachIncludedType"], false);
    let excluded = text(&generate["ExcludeCharacters"]);
    let alphabet: Vec<char> = ('0'..='9').chain('a'..='z').filter(|letter| !excluded.contains(*letter)).collect();
    let length = usize::try_from(generate["PasswordLength"].as_u64().expect("a number")).expect("it is small");
    // Every possible letter, in every position.
    for letter in alphabet {
        let mut secret: serde_json::Value = serde_json::from_str(text(&generate["SecretStringTemplate"])).expect("it is JSON");
        secret[text(&generate["GenerateStringKey"])] = letter.to_string().repeat(length).into();
        assert!(TokenKeys::parse(&secret.to_string()).is_ok(), "{letter}");
    }
}

#[test]
fn the_outputs_are_the_urls_to_register_at_stripe() {
    let template = Template::read();
    let address = template.at("/Globals/Function/Environment/Variables/PUBLIC_API_URL");
    assert_eq!(template.at("/Outputs/ApiUrl/Value"), address);
    let config = shared::settings::config::Config::from_lookup(|name| (name == "PUBLIC_API_URL").then(|| "https://api.example".to_owned()))
        .expect("the settings are sound");
    for (output, path) in [
        ("OAuthCallbackUrl", config.callback_url().trim_start_matches("https://api.example")),
        ("WebhookUrl", "/webhooks/stripe"),
        ("ConnectWebhookUrl", "/webhooks/stripe/connect"),
    ] {
        assert_eq!(
            template.at(&format!("/Outputs/{output}/Value")),
            &json!({ "Fn::Sub": [format!("${{Url}}{path}"), { "Url": address }] }),
            "{output}"
        );
    }
    for secret in ["StripeSecret", "TokenKeysSecret"] {
        assert_eq!(template.at(&format!("/Outputs/{secret}Arn/Value")), &json!({ "Ref": secret }));
    }
}

#[test]
fn bounces_and_complaints_of_the_stacks_own_mails_reach_notify() {
    let template = Template::read();
    let set = json!({ "Fn::If": ["HasMailConfigurationSet", { "Ref": "MailConfigurationSet" }, { "Ref": "MailConfiguration" }] });
    let used = template.at("/Globals/Function/Environment/Variables/MAIL_CONFIGURATION_SET");
    let reports = template.at("/Resources/MailFeedback/Properties");
    let rule = template.at("/Resources/NotifyFeedback/Properties");
    let heard = &rule["EventPattern"]["detail"]["mail"]["tags"]["ses:configuration-set"];
    assert_eq!((used, &reports["ConfigurationSetName"], heard), (&set, &set, &json!([set])));
    assert_eq!(reports["EventDestination"]["MatchingEventTypes"], json!(["bounce", "complaint"]));
    assert_eq!(rule["EventPattern"]["source"], json!(["aws.ses"]));
    assert_eq!(rule["EventPattern"]["detail-type"], json!(["Email Bounced", "Email Complaint Received"]));
    assert_eq!(called(&rule["Targets"][0]["Arn"]), "NotifyFunction");
}

#[test]
fn the_stream_delivers_only_new_mails_to_notify() {
    let template = Template::read();
    let mapping = template.at("/Resources/NotifyStream/Properties");
    assert_eq!(mapping["EventSourceArn"], json!({ "Fn::GetAtt": ["Table", "StreamArn"] }));
    assert_eq!(called(&mapping["FunctionName"]), "NotifyFunction");
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert!(mapping["MaximumRetryAttempts"].is_i64() && mapping["MaximumRecordAgeInSeconds"].is_i64(), "retries have an end");
    let pattern: serde_json::Value = serde_json::from_str(text(&mapping["FilterCriteria"]["Filters"][0]["Pattern"])).expect("it is JSON");
    assert_eq!(pattern, json!({ "eventName": ["INSERT"], "dynamodb": { "Keys": { "pk": { "S": [{ "prefix": "MAIL#" }] } } } }));
    assert_eq!(shared::store::outbox::mail_id("MAIL#receipt#1"), Some("receipt#1"), "the store's prefix is the filter's");

    let input = &template.at("/Resources/NotifySweep/Properties/Targets")[0]["Input"];
    assert_eq!(serde_json::from_str::<serde_json::Value>(text(input)).expect("it is JSON"), json!({ "sweep": true }));

    // A batch must end before the function's timeout, and the function before the mail's lease.
    let timeout = template.property("NotifyFunction", "Timeout").as_u64().expect("a number of seconds");
    let batch = mapping["BatchSize"].as_u64().expect("a number");
    assert!(batch * notify::Mailer::TIMEOUT.as_secs() < timeout);
    assert!(timeout < notify::LEASE.whole_seconds().unsigned_abs());
}
