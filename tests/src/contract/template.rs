//! template.yaml, with CloudFormation's short forms (`!Ref`, `!GetAtt`, …) expanded.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use yaml_serde::Value as Yaml;

use super::{entries, file, text};

/// The template, or part of it, in CloudFormation's JSON.
pub struct Template(Value);

impl Template {
    pub fn read() -> Self {
        Self(written_out(yaml_serde::from_str(&file("template.yaml")).expect("it is YAML")))
    }

    /// The value at a JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("template.yaml has no {pointer}"))
    }

    /// The resources of a type, by logical id.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        entries(self.at("/Resources")).filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    /// A property of a resource.
    pub fn property(&self, resource: &str, name: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties/{name}"))
    }

    /// The functions' logical ids, by folder name.
    pub fn functions(&self) -> BTreeMap<&str, &str> {
        let functions = self.resources("AWS::Serverless::Function");
        let count = functions.len();
        let by_folder: BTreeMap<_, _> = functions
            .into_iter()
            .map(|(id, function)| {
                let folder = text(&function["Properties"]["CodeUri"]).strip_prefix("target/lambda/");
                (folder.unwrap_or_else(|| panic!("{id} is not where scripts/build-release puts it")), id)
            })
            .collect();
        assert_eq!(by_folder.len(), count, "two functions have one folder");
        by_folder
    }

    /// The environment of a function: the global variables and its own.
    pub fn environment(&self, function: &str) -> BTreeMap<&str, &Value> {
        let own = self.at(&format!("/Resources/{function}/Properties")).pointer("/Environment/Variables");
        entries(self.at("/Globals/Function/Environment/Variables")).chain(own.into_iter().flat_map(entries)).collect()
    }

    /// The default of a parameter.
    pub fn parameter_default(&self, name: &str) -> Option<&Value> {
        self.at("/Parameters").get(name)?.get("Default")
    }

    /// The statements of a function's role.
    pub fn statements(&self, function: &str) -> Vec<&Value> {
        let role = got(self.property(function, "Role"), "Arn");
        let policies = super::list(self.property(role, "Policies"));
        policies.iter().flat_map(|policy| super::list(&policy["PolicyDocument"]["Statement"])).collect()
    }
}

/// The logical id in a `!Ref`.
pub fn referred(value: &Value) -> &str {
    text(value.get("Ref").unwrap_or_else(|| panic!("{value} is not a !Ref")))
}

/// The function whose alias a `!Ref` names. SAM resolves it.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html>
pub fn called(value: &Value) -> &str {
    referred(value).strip_suffix(".Alias").unwrap_or_else(|| panic!("{value} is not an alias"))
}

/// The logical id in a `!GetAtt` of this attribute.
pub fn got<'a>(value: &'a Value, attribute: &str) -> &'a str {
    let parts = value.get("Fn::GetAtt").unwrap_or_else(|| panic!("{value} is not a !GetAtt"));
    assert_eq!(parts[1], attribute, "{value}");
    text(&parts[0])
}

fn written_out(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string().trim_start_matches('!').to_owned();
            let value = written_out(tagged.value);
            match name.as_str() {
                "Ref" => json!({ "Ref": value }),
                "GetAtt" => {
                    let (resource, attribute) = text(&value).split_once('.').expect("a resource and an attribute");
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                other => json!({ (format!("Fn::{other}")): value }),
            }
        }
        Yaml::Mapping(entries) => {
            entries.into_iter().map(|(name, value)| (name.as_str().expect("names are strings").to_owned(), written_out(value))).collect()
        }
        Yaml::Sequence(items) => items.into_iter().map(written_out).collect(),
        plain => serde_json::to_value(plain).expect("it has a form in JSON"),
    }
}
