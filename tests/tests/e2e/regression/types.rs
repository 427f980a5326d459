//! How the value of a column goes from its JSON back into PostgreSQL.

use std::collections::HashMap;

use waltap_tests::{Failure, Result, Sql};

/// The types of a database, by OID.
pub(super) struct Types(HashMap<u32, Type>);

struct Type {
    name: String,
    kind: String,
    category: String,
    element: u32,
    base: u32,
}

impl Types {
    pub(super) async fn read(sql: &Sql) -> Result<Self> {
        let rows = sql.rows("SELECT oid, typname, typtype, typcategory, typelem, typbasetype FROM pg_type").await?;
        let mut types = HashMap::new();
        for row in rows {
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            let [oid, name, kind, category, element, base] = row.as_slice() else { continue };
            let (name, kind, category) = (name.clone(), kind.clone(), category.clone());
            types.insert(oid.parse()?, Type { name, kind, category, element: element.parse()?, base: base.parse()? });
        }
        Ok(Types(types))
    }

    /// The name of what a type is made of, without domains: `int4`, `int4[]`.
    pub(super) fn input_name(&self, mut oid: u32) -> Result<String> {
        loop {
            let found = self.0.get(&oid).ok_or_else(|| Failure::new(format!("there is no type {oid}")))?;
            match found.kind.as_str() {
                "d" => oid = found.base,
                // int2vector and oidvector are written without braces.
                "b" if found.category == "A" && !found.name.ends_with("vector") => {
                    return Ok(format!("{}[]", self.input_name(found.element)?));
                }
                _ => return Ok(found.name.clone()),
            }
        }
    }
}
