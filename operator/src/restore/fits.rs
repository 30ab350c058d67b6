//! Whether an item agrees with the record that it belongs to.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck};
use shared::base::entropy::digest;
use shared::domain::user::Email;

use super::rules::kind;
use super::{Item, Work, keys};
use crate::Failure;

/// What must hold for another item while an item is put back: it is missing, or has these values at these paths.
pub(super) struct Check {
    pk: String,
    sk: String,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Check {
    pub(super) fn absent(pk: String, sk: &str) -> Self {
        Self { pk, sk: sk.to_owned(), values: Vec::new() }
    }

    pub(super) fn of(self, table: &str) -> Result<ConditionCheck, BuildError> {
        let mut check = ConditionCheck::builder().table_name(table).set_key(Some(keys(&self.pk, &self.sk)));
        let mut same = Vec::new();
        for (number, (path, value)) in self.values.into_iter().enumerate() {
            let mut names = Vec::new();
            for (depth, name) in path.split('.').enumerate() {
                names.push(format!("#p{number}n{depth}"));
                check = check.expression_attribute_names(format!("#p{number}n{depth}"), name);
            }
            same.push(format!("{} = :p{number}", names.join(".")));
            check = check.expression_attribute_values(format!(":p{number}"), value);
        }
        let or_same = if same.is_empty() { String::new() } else { format!(" OR ({})", same.join(" AND ")) };
        check.condition_expression(format!("attribute_not_exists(pk){or_same}")).build()
    }
}

fn at<'a>(item: &'a Item, path: &str) -> Option<&'a AttributeValue> {
    match path.split_once('.') {
        Some((name, rest)) => at(item.get(name)?.as_m().ok()?, rest),
        None => item.get(path),
    }
}

fn text<'a>(item: &'a Item, path: &str) -> Option<&'a str> {
    at(item, path)?.as_s().ok().map(String::as_str)
}

fn parts<'a>(item: &'a Item, list: &str) -> impl Iterator<Item = &'a Item> + use<'a> {
    item.get(list).and_then(|list| list.as_l().ok()).into_iter().flatten().filter_map(|part| part.as_m().ok())
}

fn has_lesson(outline: &Item, id: &str) -> bool {
    parts(outline, "sections").flat_map(|section| parts(section, "lessons")).any(|lesson| text(lesson, "id") == Some(id))
}

/// Whether a slug is one that its course had before.
fn is_former(slug: &Item) -> bool {
    at(slug, "course.deleted") == Some(&AttributeValue::Bool(true))
}

/// The user whose erasure deletes an item of this kind.
pub(super) fn owner<'a>(pk: &'a str, sk: &str, item: &'a Item) -> Option<&'a str> {
    match kind(pk, sk).as_str() {
        // Payments stay on record without a name, and buyers keep what they bought.
        "PURCHASE" | "OWNS" | "SUBSCRIPTION" | "MEMBER" | "PAYMENT" | "LESSON" => None,
        "EMAIL" | "ACCOUNT" => text(item, "user_id"),
        "HANDLE" => text(item, "seller_id"),
        "PAGE" => pk.strip_prefix("SELLER#"),
        // A former slug stays reserved.
        "SLUG" if is_former(item) => None,
        "SLUG" => text(item, "course.seller_id"),
        _ => pk.strip_prefix("USER#"),
    }
}

/// The item to write, at this time in RFC 3339. A payment's copy of its purchase may be older than the purchase, and is not needed: without it,
/// the purchase is read. A user's sessions end, because those that were ended since would be open again.
pub(super) fn as_written(pk: &str, sk: &str, item: &Item, now: &str) -> Item {
    let mut item = item.clone();
    match kind(pk, sk).as_str() {
        "PAYMENT" => {
            item.remove("purchase");
        }
        "PROFILE" => {
            item.insert("sessions_ended_at".to_owned(), AttributeValue::S(now.to_owned()));
        }
        _ => {}
    }
    item
}

/// A course as its seller's erasure leaves it.
pub(super) fn as_deleted(mut course: Item) -> Item {
    course.insert("deleted".to_owned(), AttributeValue::Bool(true));
    course.retain(|name, _| !name.starts_with("gsi1"));
    course
}

impl Work<'_> {
    /// What must stay as it is for the item to fit, or `None` if it does not fit.
    pub(super) async fn fits(&self, pk: &str, sk: &str, item: &Item) -> Result<Option<Vec<Check>>, Failure> {
        let suffix = pk.split_once('#').map_or("", |(_, suffix)| suffix);
        let of = |name: &str| text(item, name).unwrap_or_default();
        match kind(pk, sk).as_str() {
            // A record and its slot are written together, with one version.
            "PURCHASE" => self.beside_slot(pk, format!("OWNS#{}", of("course_id")), "purchase_id", item).await,
            "SUBSCRIPTION" => self.beside_slot(pk, format!("MEMBER#{}", of("seller_id")), "subscription_id", item).await,
            "OWNS" => {
                let purchase = format!("PURCHASE#{}", of("purchase_id"));
                self.beside(pk, &purchase, &["version"], |purchase| purchase.get("version") == item.get("version")).await
            }
            "MEMBER" => {
                let subscription = format!("SUBSCRIPTION#{}", of("subscription_id"));
                self.beside(pk, &subscription, &["version"], |subscription| subscription.get("version") == item.get("version")).await
            }
            // The user may have moved to another address, and somebody else may want this one.
            "EMAIL" => {
                let is_theirs = |user: &Item| {
                    let email = text(user, "email").and_then(|email| Email::parse(email).ok());
                    !item.contains_key("reserved_until")
                        && email.is_some_and(|email| [Some(email.key()), email.old_key()].contains(&Some(suffix)))
                };
                self.beside(&format!("USER#{}", of("user_id")), "PROFILE", &["email"], is_theirs).await
            }
            "ACCOUNT" => {
                let is_linked = |user: &Item| text(user, "stripe.account_id") == Some(suffix);
                self.beside(&format!("USER#{}", of("user_id")), "PROFILE", &["stripe.account_id"], is_linked).await
            }
            // The seller may have removed it.
            "LESSON" => {
                let (course, lesson) = sk.trim_start_matches("LESSON#").split_once('#').unwrap_or_default();
                self.beside(pk, &format!("OUTLINE#{course}"), &["version"], |outline| has_lesson(outline, lesson)).await
            }
            // Under a former slug, the copy only says whose it was.
            "SLUG" if is_former(item) => Ok(Some(Vec::new())),
            // It contains a copy of the course.
            "SLUG" => {
                let is_its = |course: &Item| text(course, "slug") == Some(suffix) && course.get("version") == at(item, "course.version");
                let course = format!("COURSE#{}", of("course.id"));
                self.beside(&format!("USER#{}", of("course.seller_id")), &course, &["version"], is_its).await
            }
            // A password that was changed since must not work again.
            "PASSWORD" => {
                let is_current = |user: &Item| text(user, "password_digest") == Some(digest(of("password_hash")).as_str());
                self.beside(pk, "PROFILE", &["password_digest"], is_current).await
            }
            // Without recovery codes the user has switched it off.
            "SECOND-FACTOR" => self.beside(pk, "PROFILE", &["recovery_codes"], |user| user.contains_key("recovery_codes")).await,
            _ => Ok(Some(Vec::new())),
        }
    }

    /// If the record fits, that it is still missing or has the same values at the paths.
    async fn beside(
        &self,
        pk: &str,
        sk: &str,
        paths: &[&'static str],
        fits: impl Fn(&Item) -> bool,
    ) -> Result<Option<Vec<Check>>, Failure> {
        let Some(record) = self.record(pk, sk).await?.filter(|record| fits(record)) else { return Ok(None) };
        let values = paths.iter().filter_map(|path| Some((*path, at(&record, path)?.clone()))).collect();
        Ok(Some(vec![Check { pk: pk.to_owned(), sk: sk.to_owned(), values }]))
    }

    /// A slot that names the record has its version. Without a slot, or with another record's, the record is one of the buyer's earlier ones.
    async fn beside_slot(&self, pk: &str, sk: String, name: &'static str, item: &Item) -> Result<Option<Vec<Check>>, Failure> {
        let slot = self.record(pk, &sk).await?.filter(|slot| slot.get(name) == item.get("id"));
        if slot.is_none() {
            return Ok(Some(Vec::new()));
        }
        self.beside(pk, &sk, &[name, "version"], |slot| slot.get("version") == item.get("version")).await
    }
}
