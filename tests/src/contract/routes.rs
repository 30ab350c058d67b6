//! The routes, which are defined in three places.

use std::collections::{BTreeMap, BTreeSet};

use super::template::{Template, called};
use super::{entries, file, functions, list, openapi, text};

/// The function for each method and path.
pub(super) type Routes = BTreeMap<(String, String), String>;

pub(super) fn of_template(template: &Template) -> Routes {
    let by_id: BTreeMap<_, _> = template.functions().into_iter().map(|(folder, id)| (id, folder)).collect();
    let mut routes = Routes::new();
    for (id, route) in template.resources("AWS::ApiGatewayV2::Route") {
        let properties = &route["Properties"];
        assert_eq!(properties["ApiId"]["Ref"], "HttpApi", "{id}");
        let (method, path) = text(&properties["RouteKey"]).split_once(' ').expect("a method and a path");
        let target = text(&properties["Target"]["Fn::Sub"]);
        let integration = target.strip_prefix("integrations/${").and_then(|rest| rest.strip_suffix('}')).expect("it names an integration");
        let function = called(template.property(integration, "IntegrationUri"));
        let before = routes.insert((method.to_owned(), path.to_owned()), by_id[function].to_owned());
        assert_eq!(before, None, "{method} {path} is in the template twice");
    }
    routes
}

fn of_router() -> Routes {
    let manifest: toml::Value = toml::from_str(&file("Cargo.toml")).expect("it is TOML");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().expect("a table");
    let entries = router.iter().flat_map(|(path, entries)| entries.as_array().expect("a list").iter().map(move |entry| (path, entry)));
    entries
        .map(|(path, entry)| {
            let part = |name: &str| entry[name].as_str().expect("a string").to_owned();
            ((part("method"), path.clone()), part("function"))
        })
        .collect()
}

#[test]
fn the_local_router_and_the_template_agree() {
    assert_eq!(of_router(), of_template(&Template::read()));
}

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let documented: BTreeSet<_> = openapi::operations(&openapi::read()).into_keys().collect();
    let deployed: BTreeSet<_> = of_template(&Template::read()).into_keys().collect();
    assert_eq!(documented, deployed);
}

/// The operations in the README's table: `` `GET`, `PUT /path` `` stands for two.
fn of_readme() -> BTreeSet<(String, String)> {
    let readme = file("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("The API in brief\n")).expect("the page has the section");
    let mut found = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cell = row.split('|').nth(1).expect("a first cell");
        let mut methods = Vec::new();
        for span in cell.split('`').skip(1).step_by(2) {
            let (method, path) = span.split_once(' ').map_or((span, None), |(method, path)| (method, Some(path)));
            methods.push(method.to_owned());
            if let Some(path) = path {
                found.extend(methods.drain(..).map(|method| (method, path.to_owned())));
            }
        }
        assert!(methods.is_empty(), "{row}: {methods:?} have no path");
    }
    found
}

#[test]
fn the_readme_lists_exactly_the_routes() {
    let documented: BTreeSet<_> = openapi::operations(&openapi::read()).into_keys().collect();
    assert_eq!(of_readme(), documented);
}

/// Functions that clients do not call. They are triggered by the table's stream or by a schedule.
const WITHOUT_ROUTES: [&str; 3] = ["erasures", "notify", "reconcile"];

#[test]
fn every_function_of_the_workspace_is_deployed_and_has_a_route_or_another_trigger() {
    let template = Template::read();
    let deployed: BTreeSet<_> = template.functions().keys().map(ToString::to_string).collect();
    assert_eq!(deployed, functions());
    let routed: BTreeSet<_> = of_template(&template).into_values().collect();
    let routable = functions().into_iter().filter(|function| !WITHOUT_ROUTES.contains(&function.as_str()));
    assert_eq!(routed, routable.collect());
    let mut rules = template.resources("AWS::Events::Rule");
    // It calls no function: copies.rs.
    rules.remove("BackupFailed");
    for function in WITHOUT_ROUTES {
        let id = template.functions()[function];
        let has_schedule =
            rules.values().any(|rule| list(&rule["Properties"]["Targets"]).iter().any(|target| called(&target["Arn"]) == id));
        assert!(has_schedule, "nothing calls {function}");
    }
}

#[test]
fn the_api_may_invoke_every_function_with_payload_2() {
    let template = Template::read();
    let integrations = template.resources("AWS::ApiGatewayV2::Integration");
    let permissions = template.resources("AWS::Lambda::Permission");
    for (folder, id) in template.functions() {
        if WITHOUT_ROUTES.contains(&folder) {
            continue;
        }
        let mine: Vec<_> = integrations.values().filter(|one| called(&one["Properties"]["IntegrationUri"]) == id).collect();
        assert_eq!(mine.len(), 1, "{id} has {} integrations", mine.len());
        assert_eq!(mine[0]["Properties"]["PayloadFormatVersion"], "2.0", "{id}");
        assert_eq!(mine[0]["Properties"]["IntegrationType"], "AWS_PROXY", "{id}");
        let awaited = &mine[0]["DependsOn"];
        let mine: Vec<_> = permissions.iter().filter(|(_, one)| called(&one["Properties"]["FunctionName"]) == id).collect();
        assert_eq!(mine.len(), 1, "{id} has {} permissions", mine.len());
        let (name, permission) = (mine[0].0, &mine[0].1["Properties"]);
        // Otherwise an update that gives the API something else to call could do so before the API may.
        assert_eq!(awaited, name, "{id} is called before that is allowed");
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{id}");
        assert!(text(&permission["SourceArn"]["Fn::Sub"]).ends_with(":${HttpApi}/*/*"), "{id} may be invoked by another API");
    }
}

#[test]
fn paths_name_their_parameters_as_the_document_does() {
    let document = openapi::read();
    for (path, item) in entries(&document["paths"]) {
        let shared = item.get("parameters").map(list).unwrap_or_default();
        let named: BTreeSet<_> = shared
            .iter()
            .map(|parameter| openapi::resolve(&document, parameter))
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| text(&parameter["name"]))
            .collect();
        let braced: BTreeSet<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(named, braced, "{path}");
    }
}

#[test]
fn hacking_lists_every_make_target() {
    let makefile = file("Makefile");
    let targets: BTreeSet<&str> =
        makefile.lines().filter(|line| line.contains(":") && line.contains(" ## ")).filter_map(|line| line.split(':').next()).collect();
    assert!(targets.len() > 15, "{targets:?}");
    let page = file("HACKING.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Commands\n")).expect("the page has the section");
    let named: BTreeSet<&str> =
        section.split('`').filter_map(|span| span.strip_prefix("make ")).filter_map(|command| command.split(' ').next()).collect();
    assert_eq!(named, targets);
}
