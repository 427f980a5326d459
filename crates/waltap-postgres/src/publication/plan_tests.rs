use std::collections::{BTreeMap, BTreeSet};

use super::membership::{Listed, Operations, Publication};
use super::plan::{Current, Plan, Problem, Rights, plan};
use super::remedy::{grant_statements, owner_statements};
use crate::catalog::tests::table;
use crate::catalog::{Identity, IdentityProblem, Table};
use crate::slot::{PublicationNames, publication_names};

const OWN: Rights = Rights::Own { may_create: true };

fn names() -> PublicationNames {
    publication_names("main")
}

fn bare(name: &str) -> Table {
    Table {
        identity: Identity::Missing(IdentityProblem::NoPrimaryKey(None)),
        index_key: Vec::new(),
        key: Vec::new(),
        ..table(name)
    }
}

fn publication(name: &str, operations: Operations, tables: &[&Table]) -> Publication {
    let listed = |table: &&Table| (table.oid, Listed { quoted: table.quoted(), row_filter: false, column_list: false });
    Publication {
        name: name.to_owned(),
        owner: "app".to_owned(),
        may_alter: true,
        all_tables: false,
        schema_tables: BTreeSet::new(),
        operations,
        via_root: true,
        tables: tables.iter().map(listed).collect::<BTreeMap<_, _>>(),
    }
}

fn current(all: &[&Table], inserts: &[&Table]) -> Current {
    Current {
        all: Some(publication("waltap_main", Operations::ALL, all)),
        inserts: Some(publication("waltap_main_inserts", Operations::INSERTS, inserts)),
    }
}

fn statements(plan: &Plan) -> Vec<Vec<&str>> {
    plan.transactions.iter().map(|transaction| transaction.statements.iter().map(String::as_str).collect()).collect()
}

#[test]
fn at_first_both_are_made_and_filled() {
    let made = plan(&names(), &Current::default(), &[table("t"), bare("b")], OWN);
    assert_eq!(
        statements(&made),
        [
            vec![
                r#"CREATE PUBLICATION "waltap_main" WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)"#,
                r#"CREATE PUBLICATION "waltap_main_inserts" WITH (publish = 'insert, truncate', publish_via_partition_root = true)"#,
            ],
            vec![r#"ALTER PUBLICATION "waltap_main_inserts" ADD TABLE ONLY "public"."b""#],
            vec![r#"ALTER PUBLICATION "waltap_main" ADD TABLE ONLY "public"."t""#],
        ]
    );
    assert_eq!(made.transactions[2].gained, [table("t").oid]);
    assert!(made.transactions[1].gained.is_empty() && made.problems.is_empty());
}

#[test]
fn nothing_is_done_twice() {
    let (t, b) = (table("t"), bare("b"));
    assert_eq!(plan(&names(), &current(&[&t], &[&b]), &[t, b], OWN), Plan::default());
}

#[test]
fn moves_are_whole_and_those_that_do_harm_come_first() {
    let (lost, found, new) = (bare("lost"), table("found"), table("new"));
    let moved = plan(&names(), &current(&[&lost], &[&found]), &[new, found, lost], OWN);
    assert_eq!(
        statements(&moved),
        [
            vec![
                r#"ALTER PUBLICATION "waltap_main_inserts" ADD TABLE ONLY "public"."lost""#,
                r#"ALTER PUBLICATION "waltap_main" DROP TABLE ONLY "public"."lost""#,
            ],
            vec![
                r#"ALTER PUBLICATION "waltap_main" ADD TABLE ONLY "public"."found""#,
                r#"ALTER PUBLICATION "waltap_main_inserts" DROP TABLE ONLY "public"."found""#,
            ],
            vec![r#"ALTER PUBLICATION "waltap_main" ADD TABLE ONLY "public"."new""#],
        ]
    );
}

#[test]
fn a_table_in_both_leaves_the_one_it_does_not_belong_in() {
    let (t, b) = (table("t"), bare("b"));
    let tidied = plan(&names(), &current(&[&t, &b], &[&t, &b]), &[t, b], OWN);
    assert_eq!(
        statements(&tidied),
        [
            vec![r#"ALTER PUBLICATION "waltap_main" DROP TABLE ONLY "public"."b""#],
            vec![r#"ALTER PUBLICATION "waltap_main_inserts" DROP TABLE ONLY "public"."t""#],
        ]
    );
}

#[test]
fn operations_are_added_only_after_what_would_suffer_has_left() {
    let (b, unwanted) = (bare("b"), bare("unwanted"));
    let mut before = current(&[&b, &unwanted], &[]);
    before.all = before.all.map(|all| Publication { operations: Operations::INSERTS, via_root: false, ..all });
    let planned = plan(&names(), &before, &[b], OWN);
    let last = planned.transactions.last().expect("transactions");
    assert_eq!(
        last.statements,
        [
            r#"ALTER PUBLICATION "waltap_main" SET (publish = 'insert, update, delete, truncate')"#,
            r#"ALTER PUBLICATION "waltap_main" SET (publish_via_partition_root = true)"#,
        ]
    );
    assert_eq!(planned.transactions.len(), 3);
}

#[test]
fn without_rights_what_is_good_enough_is_left_and_the_rest_is_told() {
    let foreign = |mut current: Current| {
        for publication in [&mut current.all, &mut current.inserts].into_iter().flatten() {
            publication.may_alter = false;
        }
        current
    };
    let ours = |table: Table| Table { may_publish: false, ..table };
    let (t, b, unwanted) = (ours(table("t")), ours(bare("b")), table("unwanted"));
    let wanted = [t.clone(), b.clone()];
    let own = Rights::Own { may_create: false };

    // Listed in both does no harm, and an unwanted table neither.
    let enough = plan(&names(), &foreign(current(&[&t, &unwanted], &[&b, &t])), &wanted, own);
    assert_eq!((enough.transactions.len(), enough.problems.as_slice()), (0, &[][..]));
    assert!(enough.warnings[0].contains("\"public\".\"unwanted\""), "{:?}", enough.warnings);

    let name = |publication: &str| publication.to_owned();
    let harmful = plan(&names(), &foreign(current(&[&t, &b], &[&b])), &wanted, own);
    assert_eq!(harmful.problems, [Problem::Harmful { publication: name("waltap_main"), oid: b.oid, table: b.quoted() }]);
    let lacking = plan(&names(), &foreign(current(&[], &[&b, &t])), &wanted, own);
    assert_eq!(lacking.problems, [Problem::Unpublished { publication: name("waltap_main"), oid: t.oid, table: t.quoted() }]);
    assert!(lacking.transactions.is_empty());

    // Made by us, they could not be filled by the owner of the tables.
    let missing = plan(&names(), &Current::default(), &wanted, OWN);
    assert!(missing.transactions.is_empty());
    assert_eq!(missing.problems[0], Problem::Missing { publication: name("waltap_main") });

    assert_eq!(
        owner_statements(&names(), &foreign(current(&[&b], &[&t])), &wanted),
        r#"BEGIN;
ALTER PUBLICATION "waltap_main_inserts" ADD TABLE ONLY "public"."b";
ALTER PUBLICATION "waltap_main" DROP TABLE ONLY "public"."b";
COMMIT;
BEGIN;
ALTER PUBLICATION "waltap_main" ADD TABLE ONLY "public"."t";
ALTER PUBLICATION "waltap_main_inserts" DROP TABLE ONLY "public"."t";
COMMIT;
"#
    );
}

#[test]
fn all_tables_is_enough_where_it_does_no_harm_and_replaced_where_it_does() {
    let (t, b) = (table("t"), bare("b"));
    let mut everything = current(&[], &[]);
    everything.all = everything.all.map(|all| Publication { all_tables: true, ..all });
    assert_eq!(plan(&names(), &everything, std::slice::from_ref(&t), OWN), Plan::default());
    let planned = plan(&names(), &everything, &[t.clone(), b.clone()], OWN);
    assert!(
        planned.problems.iter().any(|problem| matches!(problem, Problem::Harmful { oid, .. } if *oid == b.oid)),
        "{planned:?}"
    );
    let replaced = plan(&names(), &everything, &[t, b], Rights::Owner);
    assert_eq!(replaced.transactions.len(), 1);
    let statements = &replaced.transactions[0].statements;
    assert_eq!(statements[0], r#"DROP PUBLICATION "waltap_main""#);
    assert!(statements[1].starts_with(r#"CREATE PUBLICATION "waltap_main" WITH"#));
    assert_eq!(statements.len(), 4);
}

#[test]
fn tables_come_in_batches() {
    let wanted: Vec<Table> = (0..1201).map(|number| Table { oid: 20_000 + number, ..table("t") }).collect();
    let planned = plan(&names(), &current(&[], &[]), &wanted, OWN);
    assert_eq!(planned.transactions.iter().map(|transaction| transaction.gained.len()).collect::<Vec<_>>(), [500, 500, 201]);
}

#[test]
fn grants_name_only_what_is_missing() {
    let closed = Table { may_select: false, ..table("closed") };
    let hidden = Table { may_use_schema: false, schema: "S s".to_owned(), ..table("hidden") };
    assert_eq!(
        grant_statements("tap", [&table("open"), &closed, &hidden]),
        "GRANT USAGE ON SCHEMA \"S s\" TO \"tap\";\nGRANT SELECT ON \"public\".\"closed\" TO \"tap\";\n"
    );
    assert_eq!(grant_statements("tap", [&table("open")]), "");
}
