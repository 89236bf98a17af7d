//! Every command that the log sends is answered by a declared index.
//!
//! A query is covered if an index begins with the fields that it compares for equality, goes on
//! with those that it sorts by, and has the one that it bounds among the sorted or right after
//! them. A query that binds a whole unique key reaches one document at most, whatever else it
//! asks of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use mongodb::bson::{Bson, Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;

use super::super::schema::{self, Index};
use super::open_watched;
use crate::view_log::conformance;

/// What one command asks of one collection.
#[derive(Clone, Debug)]
struct Asked {
    collection: String,
    filter: Document,
    sort: Document,
}

#[derive(Clone, Default)]
struct Commands(Arc<Mutex<Vec<Document>>>);

impl Commands {
    fn handler(&self) -> EventHandler<CommandEvent> {
        let commands = self.clone();
        EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                commands.0.lock().unwrap().push(started.command);
            }
        })
    }

    fn all(&self) -> Vec<Document> {
        self.0.lock().unwrap().clone()
    }
}

fn asked_by(command: &Document) -> Vec<Asked> {
    let (name, collection) = command.iter().next().unwrap();
    let asked = |from: &Document, filter: &str, sort: &str| Asked {
        collection: collection.as_str().unwrap_or_default().to_owned(),
        filter: from.get_document(filter).cloned().unwrap_or_default(),
        sort: from.get_document(sort).cloned().unwrap_or_default(),
    };
    let each = |statements: &str| -> Vec<Asked> {
        let statements = command.get_array(statements).unwrap().iter();
        statements
            .map(|statement| asked(statement.as_document().unwrap(), "q", "sort"))
            .collect()
    };
    match name.as_str() {
        "find" => vec![asked(command, "filter", "sort")],
        "findAndModify" => vec![asked(command, "query", "sort")],
        "update" => each("updates"),
        "delete" => each("deletes"),
        "insert" | "getMore" | "createIndexes" | "hello" | "endSessions" | "killCursors" => vec![],
        other => panic!("nobody has thought about the indexes of {other}: {command}"),
    }
}

#[derive(Debug, Default)]
struct Conditions {
    equal: BTreeSet<String>,
    one_of: BTreeSet<String>,
    bounded: BTreeSet<String>,
    other: BTreeSet<String>,
}

impl Conditions {
    fn of(filter: &Document) -> Self {
        let mut conditions = Self::default();
        for (field, condition) in filter {
            let operators: Vec<&str> = match condition {
                Bson::Document(document) => document
                    .keys()
                    .map(String::as_str)
                    .filter(|key| key.starts_with('$'))
                    .collect(),
                _ => vec![],
            };
            let set = match operators.as_slice() {
                [] => &mut conditions.equal,
                ["$in"] => &mut conditions.one_of,
                bounds if bounds.iter().all(|bound| is_bound(bound)) => &mut conditions.bounded,
                _ => &mut conditions.other,
            };
            set.insert(field.clone());
        }
        conditions
    }
}

fn is_bound(operator: &str) -> bool {
    ["$lt", "$lte", "$gt", "$gte"].contains(&operator)
}

fn covers(index: &Index, asked: &Asked) -> bool {
    let Asked { filter, sort, .. } = asked;
    let holds_all = index.only.iter().flatten();
    if !holds_all
        .into_iter()
        .all(|(field, value)| filter.get(field) == Some(value))
    {
        return false;
    }
    let conditions = Conditions::of(filter);
    let keys: Vec<(&String, i32)> = index
        .keys
        .iter()
        .map(|(field, direction)| (field, direction.as_i32().unwrap()))
        .collect();
    let is_bound_to_values =
        |field: &String| conditions.equal.contains(field) || conditions.one_of.contains(field);
    if index.unique && sort.is_empty() && keys.iter().all(|(field, _)| is_bound_to_values(field)) {
        return true;
    }
    if !conditions.other.is_empty() || !conditions.one_of.is_empty() {
        return false;
    }
    let equal = keys
        .iter()
        .take_while(|(field, _)| conditions.equal.contains(*field));
    let equal = equal.count();
    if equal != conditions.equal.len() {
        return false;
    }
    let rest = &keys[equal..];
    let sorted: Vec<_> = sort
        .iter()
        .filter(|(field, _)| !conditions.equal.contains(*field))
        .map(|(field, direction)| (field, direction.as_i32().unwrap()))
        .collect();
    if sorted.len() > rest.len() {
        return false;
    }
    let turned = sorted
        .first()
        .map_or(1, |(_, direction)| direction * rest[0].1);
    let in_order = sorted
        .iter()
        .zip(rest)
        .all(|((field, direction), (key, stored))| field == key && *direction == stored * turned);
    let bounded_first = conditions.bounded.iter().all(|field| {
        let first = rest.first().is_some_and(|(key, _)| *key == field);
        first && conditions.bounded.len() == 1
    });
    in_order && bounded_first
}

fn declared() -> Vec<Index> {
    let mut indexes = schema::indexes();
    let collections: BTreeSet<_> = indexes.iter().map(|index| index.collection).collect();
    for collection in
        collections
            .into_iter()
            .chain(["viewers", "deleted_videos", "schema_versions"])
    {
        indexes.push(Index {
            collection,
            keys: doc! { "_id": 1 },
            unique: true,
            only: None,
        });
    }
    indexes
}

#[tokio::test]
async fn every_command_is_covered_by_a_declared_index() {
    let commands = Commands::default();
    let Some(opened) = open_watched(Some(commands.handler())).await else {
        return;
    };
    let log = opened.log();
    conformance::beats_in_any_order_give_the_same_entry(log).await;
    conformance::a_view_keeps_its_number_until_it_is_confirmed(log).await;
    conformance::only_unconfirmed_views_counted_before_the_moment_are_unpublished(log).await;
    conformance::a_number_given_back_is_taken_by_the_next_view(log).await;
    conformance::a_forgotten_entry_stays_away_until_something_newer_arrives(log).await;
    conformance::forgetting_everything_forgets_each_entry_of_that_viewer_only(log).await;
    conformance::what_is_there_is_forgotten_even_if_it_was_dated_later(log).await;
    conformance::a_deleted_video_is_gone_for_good(log).await;
    conformance::the_list_is_newest_first_and_pages_meet_without_overlap(log).await;
    conformance::entries_of_the_same_millisecond_are_each_listed_once(log).await;
    conformance::a_new_beat_of_a_swept_session_goes_on_from_the_entry(log).await;
    conformance::a_report_older_than_what_is_kept_is_too_late(log).await;
    opened.log.store.sessions.rewrite_old().await.unwrap();

    let indexes = declared();
    let mut shapes = BTreeMap::new();
    for command in commands.all() {
        for asked in asked_by(&command) {
            let covered = indexes
                .iter()
                .any(|index| index.collection == asked.collection && covers(index, &asked));
            assert!(covered, "no index covers {asked:?}");
            let shape = format!(
                "{} {:?} {:?}",
                asked.collection,
                Conditions::of(&asked.filter),
                asked.sort
            );
            shapes.insert(shape, asked);
        }
    }
    assert!(shapes.len() > 20, "{:#?}", shapes.keys());
    explain(&opened.log, shapes.into_values()).await;
}

/// Asks a server that can explain its plans whether it uses the indexes.
async fn explain(log: &super::MongoViewLog, asked: impl Iterator<Item = Asked>) {
    for Asked {
        collection,
        filter,
        sort,
    } in asked
    {
        let find = doc! { "find": &collection, "filter": filter, "sort": sort };
        let explain = doc! { "explain": find, "verbosity": "queryPlanner" };
        match log.store.database.run_command(explain).await {
            Ok(plan) => {
                let winning = plan.get_document("queryPlanner").map_or_else(
                    |_| plan.to_string(),
                    |planner| {
                        planner
                            .get("winningPlan")
                            .map_or_else(String::new, Bson::to_string)
                    },
                );
                for stage in ["\"COLLSCAN\"", "\"SORT\""] {
                    assert!(!winning.contains(stage), "{collection}: {winning}");
                }
            }
            // The stand-in reads no index but unique ones, and has no plans to explain.
            Err(error) => {
                let said = error.to_string();
                assert!(said.contains("no such command"), "{said}");
                return;
            }
        }
    }
}

#[test]
fn an_index_covers_equality_before_sort_before_range_and_nothing_else() {
    let index = |keys| Index {
        collection: "entries",
        keys,
        unique: false,
        only: None,
    };
    let asked = |filter, sort| Asked {
        collection: "entries".to_owned(),
        filter,
        sort,
    };
    let list = index(doc! { "viewer": 1, "at": -1, "video": 1 });
    for (filter, sort) in [
        (doc! { "viewer": 7 }, doc! {}),
        (doc! { "viewer": 7 }, doc! { "at": -1, "video": 1 }),
        (doc! { "viewer": 7 }, doc! { "at": 1, "video": -1 }),
        (
            doc! { "viewer": 7, "at": { "$lt": 3 } },
            doc! { "at": -1, "video": 1 },
        ),
        (
            doc! { "viewer": 7, "at": 3, "video": { "$gt": 2 } },
            doc! { "video": 1 },
        ),
    ] {
        assert!(covers(&list, &asked(filter.clone(), sort)), "{filter}");
    }
    for (filter, sort) in [
        (doc! {}, doc! { "at": -1 }),
        (doc! { "at": 3 }, doc! {}),
        (doc! { "viewer": 7, "title": 3 }, doc! {}),
        (doc! { "viewer": 7 }, doc! { "video": 1 }),
        (doc! { "viewer": 7 }, doc! { "at": -1, "video": -1 }),
        (
            doc! { "viewer": 7, "video": { "$gt": 2 } },
            doc! { "at": -1 },
        ),
        (doc! { "viewer": { "$in": [7, 8] } }, doc! { "at": -1 }),
    ] {
        assert!(!covers(&list, &asked(filter.clone(), sort)), "{filter}");
    }
    let spare = Index {
        only: Some(doc! { "state": "spare" }),
        ..index(doc! { "state": 1, "number": 1 })
    };
    assert!(covers(
        &spare,
        &asked(doc! { "state": "spare" }, doc! { "number": 1 })
    ));
    assert!(!covers(
        &spare,
        &asked(doc! { "state": "published" }, doc! { "number": 1 })
    ));
}
