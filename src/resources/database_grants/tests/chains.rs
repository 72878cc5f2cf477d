//! Chains of grant options: what others hang on stays, and what goes is taken from the end of the chain.

use std::fmt::Write as _;

use super::{Bench, DatabaseGrants, everything, grants, owned, settles};
use crate::model::{Attributes, Value};
use crate::postgres::testing::{SUPERUSER, server};
use crate::resources::testing::{before, list, undo};

/// The roles of a chain on table `s.t`, each with a grant option from the one before it but the last. Their names sort
/// the other way round.
const CHAIN: [&str; 4] = ["chain_1", "chain_2", "chain_3", "chain_4"];

fn only(roles: &[&str]) -> Attributes {
    let mut wanted = grants(Vec::new());
    wanted.insert("exclusive".into(), list(roles));
    wanted
}

/// Who loses something on the table, and from whom.
fn taken(end: &Attributes) -> Vec<String> {
    let entries = end["privileges"].as_map().unwrap().iter();
    let named = entries.filter(|(entry, _)| entry.starts_with("table s.t "));
    let by = |entry: &str| entry.split_once(" by ").map_or("the owner", |(_, by)| by).to_owned();
    named
        .flat_map(|(entry, roles)| {
            roles.as_map().unwrap().keys().map(|role| format!("{role} from {}", by(entry))).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn a_chain_is_held_back_whole_or_taken_from_its_end() {
    let Some(server) = server() else { return };
    owned(server, "chain").await;
    let mut sql = String::from("GRANT USAGE ON SCHEMA s TO PUBLIC;");
    for role in CHAIN {
        write!(sql, "CREATE ROLE {role};").unwrap();
    }
    for (from, to) in
        ["chain_owner", "chain_4", "chain_3", "chain_2"].iter().zip(["chain_4", "chain_3", "chain_2", "chain_1"])
    {
        let end = if to == "chain_1" { "" } else { " WITH GRANT OPTION" };
        write!(sql, "SET ROLE {from}; GRANT SELECT ON s.t TO {to}{end}; RESET ROLE;").unwrap();
    }
    server.run("chain", &sql).await;
    let databases = server.databases(&[SUPERUSER]);
    let bench = Bench::new(&DatabaseGrants, databases.clone(), ("database", "chain"));
    let was = everything(&databases, "chain").await;

    // chain_1 keeps what it has from chain_2, which keeps alive what that has from chain_3, and so on.
    for roles in [&["chain_2"][..], &["chain_2", "chain_3"], &["chain_4", "chain_3", "chain_2"]] {
        let reading = bench.plan(&only(roles)).await;
        assert_eq!(taken(&before(&reading).unwrap()), Vec::<String>::new(), "{roles:?}");
        assert!(
            reading.notes.iter().any(|note| note.contains("chain_2 holds SELECT on table s.t")),
            "{:?}",
            reading.notes
        );
    }

    let step = bench.step(&only(&CHAIN)).await;
    let all = ["chain_4 from the owner", "chain_1 from chain_2", "chain_2 from chain_3", "chain_3 from chain_4"];
    assert_eq!(taken(step.before.as_ref().unwrap()), all);
    let revokes: Vec<String> =
        bench.statements(&step).await.into_iter().filter(|sql| sql.starts_with("REVOKE")).collect();
    let from: Vec<&str> = revokes.iter().filter_map(|sql| sql.rsplit(" FROM ").next()).collect();
    assert_eq!(from, ["\"chain_1\"", "\"chain_2\"", "\"chain_3\"", "\"chain_4\""]);
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
    bench.write(&undo(&step)).await.unwrap();
    settles(&bench, &step, false).await;
    assert_eq!(everything(&databases, "chain").await, was);
}

/// A second grantor keeps the option alive, so that the first one's can go.
#[tokio::test]
async fn an_option_from_two_grantors_hangs_on_neither() {
    let Some(server) = server() else { return };
    owned(server, "two").await;
    let sql = "CREATE ROLE two_via; CREATE ROLE two_holder; CREATE ROLE two_end; SET ROLE two_owner;
        GRANT USAGE ON SCHEMA s TO PUBLIC; GRANT SELECT ON s.t TO two_via, two_holder WITH GRANT OPTION;
        SET ROLE two_via; GRANT SELECT ON s.t TO two_holder WITH GRANT OPTION;
        SET ROLE two_holder; GRANT SELECT ON s.t TO two_end; RESET ROLE";
    server.run("two", sql).await;
    let bench = Bench::new(&DatabaseGrants, server.databases(&[SUPERUSER]), ("database", "two"));
    let revoke = super::rule("two_via", list(&["s"]), &[("tables", list(&["SELECT"]))]);
    let mut wanted = only(&[]);
    wanted.insert("revoke".into(), Value::List(vec![revoke]));
    let reading = bench.plan(&wanted).await;
    assert_eq!(taken(&before(&reading).unwrap()), Vec::<String>::new(), "two_holder has it from two_via");
    wanted = only(&["two_via", "two_holder", "two_end"]);
    let step = bench.step(&wanted).await;
    bench.write(&step).await.unwrap();
    settles(&bench, &step, true).await;
}
