//! template.yaml, with CloudFormation's short forms (`!Ref`, `!GetAtt`, …) written out.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use yaml_serde::Value as Yaml;

use super::{entries, file, text};

/// The template, or a part of it, in CloudFormation's JSON.
pub struct Template(Value);

impl Template {
    pub fn read() -> Self {
        Self(written_out(yaml_serde::from_str(&file("template.yaml")).expect("it is YAML")))
    }

    /// What is at a JSON pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("template.yaml has no {pointer}"))
    }

    /// The resources of a type: their logical ids and all that is said of them.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        entries(self.at("/Resources")).filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    /// A property of a resource.
    pub fn property(&self, resource: &str, name: &str) -> &Value {
        self.at(&format!("/Resources/{resource}/Properties/{name}"))
    }

    /// The functions by their folder's name, with their logical ids.
    pub fn functions(&self) -> BTreeMap<&str, &str> {
        let functions = self.resources("AWS::Serverless::Function");
        let count = functions.len();
        let by_folder: BTreeMap<_, _> = functions
            .into_iter()
            .map(|(id, function)| {
                let folder = text(&function["Properties"]["CodeUri"]).strip_prefix("functions/");
                (folder.unwrap_or_else(|| panic!("{id} is not built from functions/")), id)
            })
            .collect();
        assert_eq!(by_folder.len(), count, "two functions are built from one folder");
        by_folder
    }

    /// The environment of a function: what all have and what it has of its own.
    pub fn environment(&self, function: &str) -> BTreeMap<&str, &Value> {
        let own = self.at(&format!("/Resources/{function}/Properties")).pointer("/Environment/Variables");
        entries(self.at("/Globals/Function/Environment/Variables")).chain(own.into_iter().flat_map(entries)).collect()
    }

    /// What a parameter is where nobody says otherwise.
    pub fn parameter_default(&self, name: &str) -> Option<&Value> {
        self.at("/Parameters").get(name)?.get("Default")
    }

    /// The statements of the role of a function.
    pub fn statements(&self, function: &str) -> Vec<&Value> {
        let role = got(self.property(function, "Role"), "Arn");
        let policies = super::list(self.property(role, "Policies"));
        policies.iter().flat_map(|policy| super::list(&policy["PolicyDocument"]["Statement"])).collect()
    }
}

/// The logical id that a `!Ref` names.
pub fn referred(value: &Value) -> &str {
    text(value.get("Ref").unwrap_or_else(|| panic!("{value} is no !Ref")))
}

/// The logical id of whose attribute a `!GetAtt` asks.
pub fn got<'a>(value: &'a Value, attribute: &str) -> &'a str {
    let parts = value.get("Fn::GetAtt").unwrap_or_else(|| panic!("{value} is no !GetAtt"));
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
