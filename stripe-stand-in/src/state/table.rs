//! The objects of one kind, in order and by id.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::row::Row;
use crate::words::json::Fields;

/// The objects of one kind in one account, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub(crate) struct Table {
    rows: Vec<Row>,
    index: HashMap<String, usize>,
    /// Children of another object, by its id, oldest first.
    children: HashMap<String, Vec<usize>>,
}

/// The field that names an object's parent, which never changes.
fn parent(object: &Value) -> Option<&str> {
    let field = match object.text("object") {
        "application_fee" | "dispute" | "refund" => "charge",
        "balance_transaction" => "source",
        "charge" => "payment_intent",
        "fee_refund" => "fee",
        "invoice_payment" => "invoice",
        "transfer" => "source_transaction",
        "transfer_reversal" => "transfer",
        _ => return None,
    };
    object.maybe(field)
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self::from(self.rows.clone())
    }
}

impl From<Vec<Row>> for Table {
    fn from(rows: Vec<Row>) -> Self {
        let mut table = Self::default();
        for row in rows {
            table.insert(row);
        }
        table
    }
}

impl From<Table> for Vec<Row> {
    fn from(table: Table) -> Self {
        table.rows
    }
}

impl Table {
    /// Every row, oldest first.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The children of an object, oldest first.
    pub(crate) fn children(&self, parent: &str) -> impl DoubleEndedIterator<Item = &Row> {
        self.children.get(parent).map_or(&[][..], Vec::as_slice).iter().map(|&n| &self.rows[n])
    }

    /// The index of an id among the rows.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// The row with an id.
    pub(crate) fn get(&self, id: &str) -> Option<&Row> {
        self.index.get(id).map(|&n| &self.rows[n])
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Row> {
        self.index.get(id).map(|&n| &mut self.rows[n])
    }

    pub(crate) fn insert(&mut self, row: Row) {
        let place = self.rows.len();
        self.index.insert(row.object.text("id").to_owned(), place);
        if let Some(parent) = parent(&row.object) {
            self.children.entry(parent.to_owned()).or_default().push(place);
        }
        self.rows.push(row);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| row.object.text("id") != id);
        *self = Self::from(rows);
    }
}
