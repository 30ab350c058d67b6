//! The storefront behind CloudFront: private responses are not cached, cache keys include
//! everything that changes a response, and pages have the same headers as in the local stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::http::cookie::Cookie;
use shared::settings::config::Config;

use super::template::{Template, got, referred};
use super::{list, root, strings, text};

/// CloudFront's managed policies, by the ids in its documentation.
const CACHING_DISABLED: &str = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
const ALL_VIEWER_EXCEPT_HOST_HEADER: &str = "b689b0a8-53d0-40ab-baf2-68738e2966ac";

/// The addresses whose pages the API renders.
const RENDERED: [&str; 4] = ["/courses/*", "/sellers/*", "/sitemap.xml", "/robots.txt"];

fn distribution(template: &Template) -> &Value {
    template.property("Distribution", "DistributionConfig")
}

/// The behaviors by their patterns, with `*` for the default one.
fn behaviors(template: &Template) -> BTreeMap<&str, &Value> {
    let config = distribution(template);
    let mut behaviors: BTreeMap<_, _> =
        list(&config["CacheBehaviors"]).iter().map(|behavior| (text(&behavior["PathPattern"]), behavior)).collect();
    behaviors.insert("*", &config["DefaultCacheBehavior"]);
    behaviors
}

#[test]
fn one_parameter_creates_all_of_the_storefront() {
    let template = Template::read();
    let kinds = ["AWS::CloudFront::", "AWS::S3::"];
    let resources = super::entries(template.at("/Resources"));
    let parts: BTreeSet<_> = resources
        .filter(|(id, resource)| kinds.iter().any(|kind| text(&resource["Type"]).starts_with(kind)) || *id == "OriginSecret")
        .inspect(|(id, resource)| assert_eq!(resource["Condition"], "HasStorefront", "{id}"))
        .collect::<BTreeMap<_, _>>()
        .into_keys()
        .collect();
    assert!(parts.contains("Distribution") && parts.contains("StorefrontBucket"));
    assert_eq!(template.at("/Conditions/HasStorefront"), &json!({ "Fn::Equals": [{ "Ref": "Storefront" }, "true"] }));
}

#[test]
fn the_bucket_is_read_by_our_cloudfront_and_by_nobody_else() {
    let template = Template::read();
    let blocks = super::entries(template.property("StorefrontBucket", "PublicAccessBlockConfiguration")).collect::<Vec<_>>();
    assert!(blocks.len() == 4 && blocks.iter().all(|(_, blocked)| **blocked == true));
    let statements = list(template.at("/Resources/StorefrontBucketPolicy/Properties/PolicyDocument/Statement"));
    let allowed: Vec<_> = statements.iter().filter(|statement| statement["Effect"] == "Allow").collect();
    let [only] = allowed.as_slice() else { panic!("{} statements allow something", allowed.len()) };
    assert_eq!(only["Principal"], json!({ "Service": "cloudfront.amazonaws.com" }));
    assert_eq!(only["Action"], "s3:GetObject");
    assert!(text(&only["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"]).ends_with(":distribution/${Distribution}"));

    let pages = &distribution(&template)["Origins"][0];
    assert_eq!(got(&pages["DomainName"], "RegionalDomainName"), "StorefrontBucket");
    let access = template.property(got(&pages["OriginAccessControlId"], "Id"), "OriginAccessControlConfig");
    assert_eq!((&access["SigningBehavior"], &access["OriginAccessControlOriginType"]), (&json!("always"), &json!("s3")));
}

#[test]
fn cached_responses_are_keyed_by_session_and_all_others_are_not_cached() {
    let template = Template::read();
    for (pattern, behavior) in behaviors(&template) {
        let (origin, path) = match pattern {
            api if api.starts_with("/api/") => ("api", "ApiPathFunction"),
            rendered if RENDERED.contains(&rendered) => ("api", "RenderedPathFunction"),
            _ => ("pages", "PagesFunction"),
        };
        assert_eq!(behavior["TargetOriginId"], origin, "{pattern}");
        assert_ne!(behavior["ViewerProtocolPolicy"], "allow-all", "{pattern}");
        let function = got(&behavior["FunctionAssociations"][0]["FunctionARN"], "FunctionARN");
        assert_eq!(function, path, "{pattern}");
        if RENDERED.contains(&pattern) {
            // Without an origin request policy, the API gets only what is in the cache key.
            assert_eq!(behavior.get("OriginRequestPolicyId"), None, "{pattern}");
            assert_eq!(referred(&behavior["CachePolicyId"]), "RenderedCache", "{pattern}");
            let headers = if pattern == "/courses/*" { "CoursePageHeaders" } else { "PageHeaders" };
            assert_eq!(referred(&behavior["ResponseHeadersPolicyId"]), headers, "{pattern}");
            continue;
        }
        if origin == "pages" {
            continue;
        }
        assert_eq!(behavior["OriginRequestPolicyId"], ALL_VIEWER_EXCEPT_HOST_HEADER, "{pattern}");
        match pattern {
            "/api/courses" | "/api/config" => assert_eq!(referred(&behavior["CachePolicyId"]), "SharedReadsCache", "{pattern}"),
            "/api/courses/*" | "/api/sellers/*" => assert_eq!(referred(&behavior["CachePolicyId"]), "PublicReadsCache", "{pattern}"),
            _ => assert_eq!(behavior["CachePolicyId"], CACHING_DISABLED, "{pattern}"),
        }
    }
    // `/api/*` is the last of the API's behaviors, and is not cached.
    assert!(behaviors(&template).contains_key("/api/*"));
    let order: Vec<_> = list(&distribution(&template)["CacheBehaviors"]).iter().map(|behavior| text(&behavior["PathPattern"])).collect();
    let place = |pattern: &str| order.iter().position(|found| *found == pattern).expect("it is there");
    assert!(["/api/courses", "/api/courses/*", "/api/sellers/*", "/api/config"].iter().all(|pattern| place(pattern) < place("/api/*")));

    let rendered = template.property("RenderedCache", "CachePolicyConfig");
    let key = &rendered["ParametersInCacheKeyAndForwardedToOrigin"];
    assert_eq!((&rendered["MinTTL"], &rendered["DefaultTTL"]), (&json!(0), &json!(0)), "only the API decides what is cached");
    assert_eq!(key["CookiesConfig"], json!({ "CookieBehavior": "none" }));
    assert_eq!(key["HeadersConfig"], json!({ "HeaderBehavior": "none" }));
    assert_eq!(key["QueryStringsConfig"], json!({ "QueryStringBehavior": "whitelist", "QueryStrings": ["cursor", "month"] }));

    let key_of = |policy: &str| {
        let policy = template.property(policy, "CachePolicyConfig");
        assert_eq!((&policy["MinTTL"], &policy["DefaultTTL"]), (&json!(0), &json!(0)), "only the API decides what is cached");
        let key = policy["ParametersInCacheKeyAndForwardedToOrigin"].clone();
        assert_eq!(key["QueryStringsConfig"], json!({ "QueryStringBehavior": "all" }));
        key
    };
    let shared = key_of("SharedReadsCache");
    assert_eq!(shared["CookiesConfig"], json!({ "CookieBehavior": "none" }));
    assert!(!strings(&shared["HeadersConfig"]["Headers"]).contains("Authorization"));
    let key = key_of("PublicReadsCache");
    assert!(strings(&key["HeadersConfig"]["Headers"]).contains("Authorization"));
    let config = Config::from_lookup(|name| (name == "PUBLIC_API_URL").then(|| "https://shop.example/api".to_owned()));
    let cookie = Cookie::Session.set("token", 60, &config.expect("the settings are sound"));
    assert_eq!(strings(&key["CookiesConfig"]["Cookies"]), BTreeSet::from([cookie.split_once('=').expect("a name").0]));
}

#[test]
fn the_apis_errors_reach_the_browser_as_they_are() {
    let template = Template::read();
    for response in list(&distribution(&template)["CustomErrorResponses"]) {
        assert_eq!(response["ErrorCachingMinTTL"], 0, "{response}");
        assert!(response.get("ResponsePagePath").is_none() && response.get("ResponseCode").is_none(), "{response}");
    }
}

#[test]
fn cloudfront_sends_the_api_the_viewers_address_and_its_secret() {
    let template = Template::read();
    let api = &distribution(&template)["Origins"][1];
    let shown = &list(&api["OriginCustomHeaders"])[0];
    assert_eq!(shown["HeaderName"], "x-origin-secret");
    let secret = json!({ "Fn::Sub": "{{resolve:secretsmanager:${OriginSecret}}}" });
    assert_eq!(shown["HeaderValue"], secret);
    for (folder, id) in template.functions() {
        let known = template.environment(id).get("ORIGIN_SECRET").copied();
        let expected = json!({ "Fn::If": ["HasStorefront", secret, ""] });
        // Those that people call, and that may have to refuse what did not come through CloudFront. Stripe calls `webhook` directly.
        let is_called = !["webhook", "erasures", "notify", "reconcile"].contains(&folder);
        assert_eq!(known, is_called.then_some(&expected), "{folder}");
        if is_called || folder == "webhook" {
            let main = super::file(&format!("functions/{folder}/src/main.rs"));
            assert_eq!(main.contains("serve_directly("), folder == "webhook", "{folder}");
        }
        let takes_cards = ["charge", "memberships", "payment-methods"].contains(&folder);
        let challenge = json!({ "Fn::If": ["HasChallenge", { "Fn::Sub": "{{resolve:secretsmanager:${ChallengeSecretArn}}}" }, ""] });
        let known = template.environment(id).get("CHALLENGE_SECRET").copied();
        assert_eq!(known, takes_cards.then_some(&challenge), "{folder}");
    }
    assert!(template.property("OriginSecret", "GenerateSecretString").is_object());
}

#[test]
fn a_firewall_is_in_front_of_everything_that_people_call() {
    let template = Template::read();
    let acl = json!({ "Fn::If": ["HasWebAcl", { "Ref": "WebAclArn" }, { "Ref": "AWS::NoValue" }] });
    assert_eq!(distribution(&template)["WebACLId"], acl);
    let only = template.at("/Globals/Function/Environment/Variables/CLOUDFRONT_ONLY");
    assert_eq!(only, &json!({ "Fn::If": ["HasWebAcl", "true", "false"] }));
    let pattern = text(template.at("/Parameters/WebAclArn/AllowedPattern"));
    let allowed = regex_lite::Regex::new(&format!("^(?:{pattern})$")).expect("it is one");
    let arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/shop/0a1b2c3d-0000-4000-8000-0123456789ab";
    for (given, expected) in [
        ("", true),
        (arn, true),
        (&arn.replace("us-east-1", "eu-west-1"), false),
        (&arn.replace("global", "regional"), false),
        ("0a1b2c3d-0000-4000-8000-0123456789ab", false),
    ] {
        assert_eq!(allowed.is_match(given), expected, "{given}");
    }
}

#[test]
fn a_hosted_storefront_has_everything_under_its_origin() {
    let template = Template::read();
    let environment = template.at("/Globals/Function/Environment/Variables");
    let hosted = |value: &Value, suffix: &str| {
        assert_eq!(
            value,
            &json!({ "Fn::If": ["HasStorefrontDomain", { "Fn::Sub": format!("https://${{StorefrontDomain}}{suffix}") },
                                                       { "Fn::Sub": format!("https://${{Distribution.DomainName}}{suffix}") }] })
        );
    };
    let storefront = list(&environment["STOREFRONT_URL"]["Fn::If"]);
    assert_eq!(storefront[0], "HasStorefront");
    hosted(&storefront[1], "");
    assert_eq!(template.at("/Outputs/StorefrontUrl/Value"), &environment["STOREFRONT_URL"]);
    let api = list(&environment["PUBLIC_API_URL"]["Fn::If"][2]["Fn::If"]);
    assert_eq!(api[0], "HasStorefront");
    hosted(&api[1], "/api");
}

#[test]
fn lessons_embed_videos_of_hosts_and_of_nothing_else() {
    let template = Template::read();
    let pattern = text(template.at("/Parameters/EmbedHosts/AllowedPattern"));
    let allowed = regex_lite::Regex::new(&format!("^(?:{pattern})$")).expect("it is one");
    for (given, expected) in [
        ("", true),
        (text(template.at("/Parameters/EmbedHosts/Default")), true),
        ("videos.example.com", true),
        ("*.example.com", false),
        ("https://videos.example.com", false),
        ("videos.example.com:8443", false),
        ("videos.example.com/a", false),
        ("videos.example.com, player.vimeo.com", false),
        ("videos.example.com; script-src *", false),
        ("videos.example.com,", false),
        ("localhost", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(allowed.is_match(given), expected, "{given}");
        let accepted = Config::from_lookup(|name| (name == "EMBED_HOSTS").then(|| given.to_owned())).is_ok();
        assert!(accepted || !expected, "{given}");
    }
    for given in ["https://videos.example.com", "*.example.com", "videos.example.com; script-src"] {
        assert!(Config::from_lookup(|name| (name == "EMBED_HOSTS").then(|| given.to_owned())).is_err(), "{given}");
    }
}

/// A content security policy, with the hosts of videos that it is given.
fn policy(value: &Value, embeds: &str) -> String {
    let Some(parts) = value.get("Fn::Sub") else { return text(value).to_owned() };
    let sources = json!({ "Fn::Join": ["", ["https://", { "Fn::Join": [" https://", { "Fn::Split": [",", { "Ref": "EmbedHosts" }] }] }]] });
    assert_eq!(parts[1], json!({ "Hosts": { "Fn::If": ["HasEmbedHosts", sources, "'none'"] } }));
    let sources = if embeds.is_empty() { "'none'".to_owned() } else { format!("https://{}", embeds.replace(',', " https://")) };
    text(&parts[0]).replace("${Hosts}", &sources)
}

/// The headers that a policy adds.
fn sent(template: &Template, headers: &str, embeds: &str) -> BTreeMap<String, String> {
    let config = template.property(headers, "ResponseHeadersPolicyConfig");
    let security = &config["SecurityHeadersConfig"];
    assert_eq!(security["ContentTypeOptions"], json!({ "Override": true }));
    assert_eq!(security["FrameOptions"]["FrameOption"], "DENY");
    assert!(security["StrictTransportSecurity"]["AccessControlMaxAgeSec"].as_i64() >= Some(31_536_000));
    let mut headers = BTreeMap::from([
        ("content-security-policy".to_owned(), policy(&security["ContentSecurityPolicy"]["ContentSecurityPolicy"], embeds)),
        ("referrer-policy".to_owned(), text(&security["ReferrerPolicy"]["ReferrerPolicy"]).to_owned()),
        ("x-content-type-options".to_owned(), "nosniff".to_owned()),
    ]);
    for item in list(&config["CustomHeadersConfig"]["Items"]) {
        headers.insert(text(&item["Header"]).to_owned(), text(&item["Value"]).to_owned());
    }
    headers
}

#[tokio::test]
async fn pages_are_sent_with_the_same_headers_on_a_laptop_and_deployed() {
    let template = Template::read();
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let policies: BTreeMap<_, _> = behaviors(&template)
        .into_iter()
        .filter(|(_, behavior)| behavior["TargetOriginId"] == "pages")
        .map(|(pattern, behavior)| (if pattern == "*" { "/" } else { pattern }, referred(&behavior["ResponseHeadersPolicyId"])))
        .collect();
    assert_eq!(policies.keys().copied().collect::<Vec<_>>(), ["/", "/course.html", "/pay.html", "/seller.html"]);
    for embeds in [text(template.at("/Parameters/EmbedHosts/Default")), "videos.example.com", ""] {
        let web = local::web::start(0, &root().join("web"), "http://127.0.0.1:9", None, embeds).await.expect("a port is free");
        for (path, policy) in &policies {
            let answer = client.get(format!("{}{path}", web.url())).send().await.expect("it answers");
            assert_eq!(answer.status(), 200, "{path}");
            for (name, value) in sent(&template, policy, embeds) {
                assert_eq!(answer.headers().get(&name).and_then(|value| value.to_str().ok()), Some(value.as_str()), "{path}: {name}");
            }
            let opener = answer.headers().get("cross-origin-opener-policy").is_some();
            assert_eq!(opener, sent(&template, policy, embeds).contains_key("cross-origin-opener-policy"), "{path}");
        }
        // A rendered page of a course, although nothing renders it here.
        let rendered = client.get(format!("{}/courses/flask", web.url())).send().await.expect("it answers");
        let value = rendered.headers()["content-security-policy"].to_str().expect("it is text");
        assert_eq!(value, sent(&template, "CoursePageHeaders", embeds)["content-security-policy"]);
        web.shutdown().await;
    }
    assert_eq!(
        super::file("local/functions.env").lines().find_map(|line| line.strip_prefix("EMBED_HOSTS=")),
        Some(text(template.at("/Parameters/EmbedHosts/Default")))
    );
}
