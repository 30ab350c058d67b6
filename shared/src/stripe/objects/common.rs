//! Common parts of the objects.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::Value;

use crate::stripe::read;

/// A number in our metadata.
#[must_use]
pub fn number(metadata: &HashMap<String, String>, name: &str) -> Option<u32> {
    metadata.get(name)?.parse().ok()
}

/// An id, or the object itself if expanded.
#[derive(Clone, Debug)]
pub(in crate::stripe) enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Expandable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(id) => Ok(Self::Id(id)),
            object => read::value(object).map(|object| Self::Object(Box::new(object))).map_err(D::Error::custom),
        }
    }
}

/// An object whose id is all we need, such as a customer or a payment method.
#[derive(Clone, Debug, Deserialize)]
pub struct Identified {
    /// `cus_…`, `pm_…`
    pub id: String,
}

/// A page of a list. Each element is parsed separately, so that one that cannot be parsed does not hide others.
#[derive(Clone, Debug)]
pub struct List<T> {
    /// Newest first.
    pub data: Vec<T>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// The ids of elements that cannot be parsed; empty strings if they have none.
    pub unread: Vec<String>,
    /// The id of the last element, parsed or not, after which the next page begins.
    pub last: Option<String>,
    /// In `/v2`, instead of `has_more`: the path of the next page. <https://docs.stripe.com/api-v2-overview>
    pub next_page_url: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false, unread: Vec::new(), last: None, next_page_url: None }
    }
}

impl<T> List<T> {
    /// The id after which the next page begins; `None` if this is the last one.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.last.as_deref().filter(|_| self.has_more)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            data: Vec<Value>,
            #[serde(default)]
            has_more: bool,
            #[serde(default)]
            next_page_url: Option<String>,
        }
        let page = Page::deserialize(deserializer)?;
        let id = |element: &Value| element.get("id").and_then(Value::as_str).map(str::to_owned);
        let last = page.data.last().and_then(id);
        let mut list = Self { has_more: page.has_more, last, next_page_url: page.next_page_url, ..Self::default() };
        for element in page.data {
            let name = id(&element);
            match read::value(element) {
                Ok(element) => list.data.push(element),
                Err(error) => {
                    tracing::error!(stripe_id = name, %error, "an element of a list from Stripe cannot be parsed");
                    list.unread.push(name.unwrap_or_default());
                }
            }
        }
        Ok(list)
    }
}
