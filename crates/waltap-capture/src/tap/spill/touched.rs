//! The tables that a prepared transaction changes.

use std::collections::{BTreeMap, BTreeSet};

use waltap_pgoutput::Message;

/// Noted message by message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Those that are changed, by OID.
    tables: BTreeSet<u32>,
    /// Schema and name of those that were announced within the transaction. The server announces others too, such as the leaves of a
    /// partitioned table.
    names: BTreeMap<u32, (String, String)>,
}

impl Touched {
    pub(crate) fn note(&mut self, message: &Message<'_>) {
        match message {
            Message::Insert(insert) => self.touch(insert.relation_id),
            Message::Update(update) => self.touch(update.relation_id),
            Message::Delete(delete) => self.touch(delete.relation_id),
            Message::Truncate(truncate) => truncate.relation_ids.into_iter().for_each(|oid| self.touch(oid)),
            Message::Relation(relation) => {
                self.names.insert(relation.id, (relation.schema.to_owned(), relation.name.to_owned()));
            }
            _ => {}
        }
    }

    fn touch(&mut self, oid: u32) {
        self.tables.insert(oid);
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = u32> {
        self.tables.iter().copied()
    }

    /// Schema and name of a table, if it was announced within the transaction.
    pub(crate) fn name(&self, oid: u32) -> Option<(&str, &str)> {
        self.names.get(&oid).map(|(schema, table)| (schema.as_str(), table.as_str()))
    }
}
