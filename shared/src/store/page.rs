//! Lists: the cost of a page depends on its items, never on the size of the table.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::table::{Item, Store, StoreError, from_item, string};
use crate::base::entropy::digest;

/// Where a page begins, and its length.
#[derive(Clone, Debug)]
pub struct Page {
    /// 1 to 100.
    pub limit: i32,
    /// The item to continue after; `None` for the start.
    pub after: Option<Cursor>,
}

/// The position after the last item of a page: the list's name, the sort key, and for an index also the item's own key.
///
/// Clients see it as an opaque string. It does not contain the partition, so a forged cursor reads
/// nothing that the list would not show. The name catches mistakes: a cursor of another list is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Vec<String>);

impl Cursor {
    /// The string for `next_cursor`.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.join("\n"))
    }

    /// Parses a client's cursor; `None` if it is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > 600 {
            return None;
        }
        let parts = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let parts: Vec<String> = parts.split('\n').map(str::to_owned).collect();
        let sound = parts.len() <= 4 && parts.iter().all(|part| !part.is_empty() && !part.chars().any(char::is_control));
        sound.then_some(Self(parts))
    }
}

/// One page.
#[derive(Debug)]
pub struct Paged<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// The items of a list.
pub(super) enum List<'a> {
    /// The items of `pk` whose `sk` has this prefix, in descending order.
    Table { pk: String, prefix: &'a str },
    /// The items of `gsi1pk`, in descending order.
    Index { pk: String },
}

/// How many items a filtered list of one owner, or of staff, checks for one page. A rare word gives short pages with a cursor to continue.
const FILTER_REACH: i32 = 1000;

/// The same for lists that anybody may search, all of which are in one partition: no stranger may use up what it can read.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
pub(super) const PUBLIC_REACH: i32 = 100;

impl Store {
    pub(super) async fn list<T: DeserializeOwned>(&self, list: List<'_>, page: &Page) -> Result<Paged<T>, StoreError> {
        self.list_where(list, page, &|_: &T| true, page.limit + 1).await
    }

    /// The items of a list for which `keep` returns true; checks a limited number of them.
    pub(super) async fn search<T: DeserializeOwned>(
        &self,
        list: List<'_>,
        page: &Page,
        keep: &(dyn Fn(&T) -> bool + Sync),
    ) -> Result<Paged<T>, StoreError> {
        self.list_where(list, page, keep, FILTER_REACH).await
    }

    /// The items of a list for which `keep` returns true; checks at most `reach` of them.
    pub(super) async fn list_where<T: DeserializeOwned>(
        &self,
        list: List<'_>,
        page: &Page,
        keep: &(dyn Fn(&T) -> bool + Sync),
        reach: i32,
    ) -> Result<Paged<T>, StoreError> {
        self.read_list(list, page, keep, reach, false).await
    }

    /// The items of a list in ascending order.
    pub(super) async fn list_ascending<T: DeserializeOwned>(&self, list: List<'_>, page: &Page) -> Result<Paged<T>, StoreError> {
        self.read_list(list, page, &|_: &T| true, page.limit + 1, true).await
    }

    async fn read_list<T: DeserializeOwned>(
        &self,
        list: List<'_>,
        page: &Page,
        keep: &(dyn Fn(&T) -> bool + Sync),
        reach: i32,
        ascending: bool,
    ) -> Result<Paged<T>, StoreError> {
        let limit = usize::try_from(page.limit).unwrap_or(1);
        let mut query = self.client.query().table_name(&self.table).scan_index_forward(ascending).limit(reach);
        query = match &list {
            List::Table { pk, prefix } => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", string(pk))
                .expression_attribute_values(":prefix", string(*prefix))
                .consistent_read(true),
            List::Index { pk } => {
                query.index_name("gsi1").key_condition_expression("gsi1pk = :pk").expression_attribute_values(":pk", string(pk))
            }
        };
        if let Some(cursor) = &page.after {
            query = query.set_exclusive_start_key(Some(list.start_after(cursor).ok_or(StoreError::Cursor)?));
        }
        let answer = query.send().await.map_err(|error| {
            // A client's only input in this request is the cursor.
            let invalid = error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ValidationException");
            if invalid && page.after.is_some() { StoreError::Cursor } else { StoreError::request("Query", &error) }
        })?;
        let more = answer.last_evaluated_key.is_some();
        let mut paged = Paged { items: Vec::new(), next: None };
        let mut last = None;
        for item in answer.items.unwrap_or_default() {
            let place = list.cursor(&item);
            let value: T = from_item(item)?;
            if keep(&value) {
                if paged.items.len() == limit {
                    paged.next = last;
                    return Ok(paged);
                }
                paged.items.push(value);
            }
            last = place;
        }
        if more {
            paged.next = last;
        }
        Ok(paged)
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    }
}

impl List<'_> {
    fn cursor(&self, item: &Item) -> Option<Cursor> {
        Some(match self {
            Self::Table { .. } => Cursor(vec![self.name(), text(item, "sk")?]),
            Self::Index { .. } => Cursor(vec![self.name(), text(item, "gsi1sk")?, text(item, "pk")?, text(item, "sk")?]),
        })
    }

    /// The position just before the items of an index with this sort key or a smaller one. No item has this position, and none needs to.
    pub(super) fn position(&self, before: String) -> Cursor {
        Cursor(vec![self.name(), before, "USER#".to_owned(), "COURSE#".to_owned()])
    }

    /// Short and unique: derived from the partition and, where several lists share one, the prefix.
    fn name(&self) -> String {
        let mut name = match self {
            Self::Table { pk, prefix } => digest(&format!("{pk} {prefix}")),
            Self::Index { pk } => digest(pk),
        };
        name.truncate(8);
        name
    }

    fn start_after(&self, cursor: &Cursor) -> Option<Item> {
        let (name, place) = cursor.0.split_first()?;
        if *name != self.name() {
            return None;
        }
        let key = match (self, place) {
            (Self::Table { pk, prefix }, [after]) if after.starts_with(prefix) => vec![("pk", pk), ("sk", after)],
            (Self::Index { pk }, [after, item_pk, item_sk]) => vec![("gsi1pk", pk), ("gsi1sk", after), ("pk", item_pk), ("sk", item_sk)],
            _ => return None,
        };
        Some(key.into_iter().map(|(name, value)| (name.to_owned(), string(value))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_their_journey_and_rubbish_does_not() {
        let cursor = Cursor(vec!["name".into(), "2026-01-01#crs".into(), "USER#a".into(), "COURSE#b".into()]);
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for text in ["", "!", "AAAA=", "_w", &"A".repeat(700), &URL_SAFE_NO_PAD.encode("a\n\nb"), &URL_SAFE_NO_PAD.encode("a\nb\nc\nd\ne")]
        {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
