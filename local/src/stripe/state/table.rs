//! The objects of one kind, in their order and by their ids.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Fields, Row};

/// The objects of one kind in one account, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub(crate) struct Table {
    rows: Vec<Row>,
    index: HashMap<String, usize>,
}

impl Clone for Table {
    fn clone(&self) -> Self {
        Self::from(self.rows.clone())
    }
}

impl From<Vec<Row>> for Table {
    fn from(rows: Vec<Row>) -> Self {
        let index = rows.iter().enumerate().map(|(n, row)| (row.object.text("id").to_owned(), n)).collect();
        Self { rows, index }
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

    /// The row of that id.
    pub(crate) fn get(&self, id: &str) -> Option<&Row> {
        self.index.get(id).map(|&n| &self.rows[n])
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Row> {
        self.index.get(id).map(|&n| &mut self.rows[n])
    }

    pub(super) fn insert(&mut self, row: Row) {
        self.index.insert(row.object.text("id").to_owned(), self.rows.len());
        self.rows.push(row);
    }

    pub(super) fn remove(&mut self, id: &str) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| row.object.text("id") != id);
        *self = Self::from(rows);
    }
}
