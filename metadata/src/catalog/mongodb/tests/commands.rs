//! What the driver tells of the commands that it sends, and the check that an index serves each.
//!
//! The stand-in server reads no indexes, so its speed proves nothing: the shape of every command is
//! compared with the declared indexes instead. A server that has `explain` is asked as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;

use super::super::documents::COLLECTION;
use super::super::indexes::{ALL, BY_ID, Index};

/// Every command that was sent, in order.
#[derive(Clone, Default)]
pub(crate) struct CommandLog(Arc<Mutex<Vec<Document>>>);

/// What a command asks of the collection.
#[derive(Clone, Debug, Default)]
struct Query {
    filter: Document,
    sort: Document,
    hint: Option<String>,
}

impl CommandLog {
    /// What the driver is to tell.
    pub(crate) fn listener(&self) -> EventHandler<CommandEvent> {
        let log = self.clone();
        EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                log.0.lock().unwrap().push(started.command);
            }
        })
    }

    /// The names of the commands that were sent.
    pub(crate) fn names(&self) -> Vec<String> {
        let commands = self.0.lock().unwrap();
        commands
            .iter()
            .map(|command| name(command).to_owned())
            .collect()
    }

    /// Checks every command.
    pub(crate) async fn check(&self, database: &mongodb::Database) {
        let commands = self.0.lock().unwrap().clone();
        assert!(!commands.is_empty(), "the driver tells what it sends");
        let mut shapes = BTreeMap::new();
        for command in commands {
            check(&command).unwrap_or_else(|complaint| panic!("{complaint}: {command}"));
            shapes.entry(shape(&command)).or_insert(command);
        }
        for command in shapes.into_values() {
            explain(database, command).await;
        }
    }
}

fn name(command: &Document) -> &str {
    command.keys().next().unwrap()
}

/// Whether a command is one that the catalogue may send.
fn check(command: &Document) -> Result<(), String> {
    if command.contains_key("startTransaction") {
        return Err("a transaction".to_owned());
    }
    if matches!(
        name(command),
        "insert" | "update" | "findAndModify" | "createIndexes"
    ) {
        check_write_concern(command)?;
    }
    for query in queries(command)? {
        is_served(&query)?;
    }
    Ok(())
}

fn check_write_concern(command: &Document) -> Result<(), String> {
    let concern = command.get_document("writeConcern");
    let is_majority = concern.is_ok_and(|concern| {
        concern.get_str("w").is_ok_and(|w| w == "majority")
            && concern.get_bool("j").is_ok_and(|journaled| journaled)
    });
    is_majority
        .then_some(())
        .ok_or_else(|| "a write that no majority has to confirm".to_owned())
}

/// What a command looks for in the collection.
fn queries(command: &Document) -> Result<Vec<Query>, String> {
    let document = |name: &str| command.get_document(name).cloned().unwrap_or_default();
    let hint = command.get_str("hint").ok().map(str::to_owned);
    match name(command) {
        "find" => Ok(vec![Query {
            filter: document("filter"),
            sort: document("sort"),
            hint,
        }]),
        "findAndModify" => {
            let update = command.get("update");
            is_plain_update(update)?;
            Ok(vec![Query {
                filter: document("query"),
                sort: document("sort"),
                hint,
            }])
        }
        "update" => {
            let updates = command.get_array("updates").unwrap();
            updates
                .iter()
                .map(|update| {
                    let update = update.as_document().unwrap();
                    is_plain_update(update.get("u"))?;
                    if update.get_bool("multi").unwrap_or_default() {
                        return Err("an update of several documents".to_owned());
                    }
                    let filter = update.get_document("q").unwrap().clone();
                    Ok(Query {
                        filter,
                        ..Query::default()
                    })
                })
                .collect()
        }
        "aggregate" => Ok(vec![leading_query(command, hint)?]),
        // They look for nothing, or only for the next part of what an earlier command found.
        "hello" | "insert" | "createIndexes" | "getMore" | "killCursors" | "endSessions" => {
            Ok(Vec::new())
        }
        // Without a query the server answers from what it knows of the collection.
        "count" if document("query").is_empty() => Ok(Vec::new()),
        other => Err(format!("{other} is none of the catalogue's commands")),
    }
}

fn is_plain_update(update: Option<&Bson>) -> Result<(), String> {
    match update {
        Some(Bson::Document(_)) => Ok(()),
        _ => Err("an update that is a pipeline".to_owned()),
    }
}

/// The stages before the first limit are a query; behind it there are bounded many documents.
fn leading_query(command: &Document, hint: Option<String>) -> Result<Query, String> {
    let mut query = Query {
        hint,
        ..Query::default()
    };
    for stage in command.get_array("pipeline").unwrap() {
        let (name, what) = stage.as_document().unwrap().iter().next().unwrap();
        match name.as_str() {
            "$match" if query.filter.is_empty() => {
                query.filter = what.as_document().unwrap().clone();
            }
            "$sort" => query.sort = what.as_document().unwrap().clone(),
            "$limit" => return Ok(query),
            other => return Err(format!("{other} before a limit")),
        }
    }
    Err("no limit".to_owned())
}

/// Whether the index that a query names serves it, or the one of the ids.
fn is_served(query: &Query) -> Result<(), String> {
    let Query { filter, sort, hint } = query;
    let mut equal = Vec::new();
    let mut ranges = Vec::new();
    for (field, condition) in filter {
        match condition {
            // Leaves out single documents of a range, read as keys of the index.
            Bson::Array(_) if field == "$nor" => {}
            _ if field.starts_with('$') => return Err(format!("{field} in a filter")),
            Bson::Document(operators) => {
                for operator in operators.keys() {
                    match operator.as_str() {
                        "$lt" | "$lte" | "$gt" | "$gte" => ranges.push(field.as_str()),
                        "$in" if field == "_id" => equal.push("_id"),
                        other => return Err(format!("{other} in a filter")),
                    }
                }
            }
            _ => equal.push(field.as_str()),
        }
    }
    // At most one document for each id: what else is asked of it needs no index. A range of ids is
    // read in their order.
    let of_ids = equal.contains(&"_id") || (filter.len() == 1 && ranges == ["_id"]);
    if of_ids && sort.keys().all(|field| field == "_id") {
        return Ok(());
    }
    let Some(hint) = hint else {
        return Err("no index is named".to_owned());
    };
    let mut indexes = ALL.iter().chain([&BY_ID]);
    let index = indexes.find(|index| index.name == hint);
    let index = index.ok_or_else(|| format!("{hint} is not declared"))?;
    serves(index, filter, &equal, &ranges, sort)
}

/// Equality before sort before range: what is compared for equality is the beginning of the keys,
/// what is sorted by follows in its order, and a range is on the next key, or on the first that is
/// sorted by.
fn serves(
    index: &Index,
    filter: &Document,
    equal: &[&str],
    ranges: &[&str],
    sort: &Document,
) -> Result<(), String> {
    let only = index.only.map(|only| only()).unwrap_or_default();
    if only
        .iter()
        .any(|(field, value)| filter.get(field) != Some(value))
    {
        return Err(format!(
            "{} has not all documents that are asked for",
            index.name
        ));
    }
    let keys: Vec<(String, i32)> = (index.keys)()
        .into_iter()
        .map(|(field, direction)| (field, direction.as_i32().unwrap()))
        .collect();
    let (leading, rest) = keys.split_at(equal.len().min(keys.len()));
    if !equal
        .iter()
        .all(|field| leading.iter().any(|(key, _)| key == field))
    {
        return Err(format!("{equal:?} are not the beginning of {}", index.name));
    }
    // Where everything is equal, sorting changes nothing.
    let sorted: Vec<(&str, i32)> = sort
        .iter()
        .map(|(field, direction)| (field.as_str(), direction.as_i32().unwrap()))
        .filter(|(field, _)| !equal.contains(field))
        .collect();
    let is_order = |sign: i32| {
        sorted.len() <= rest.len()
            && sorted
                .iter()
                .zip(rest)
                .all(|((field, direction), (key, of_key))| {
                    field == key && direction * sign == *of_key
                })
    };
    if !is_order(1) && !is_order(-1) {
        return Err(format!("{sort} is not the order of {}", index.name));
    }
    let first = rest.first().map(|(key, _)| key.as_str());
    let behind = rest.get(sorted.len()).map(|(key, _)| key.as_str());
    match ranges
        .iter()
        .find(|range| first != Some(range) && behind != Some(range))
    {
        Some(range) => Err(format!("{range} is no range of {}", index.name)),
        None => Ok(()),
    }
}

/// What two commands have in common that the server answers in the same way.
fn shape(command: &Document) -> String {
    fn of(value: &Bson) -> String {
        match value {
            Bson::Document(document) => {
                let fields = document
                    .iter()
                    .map(|(name, value)| format!("{name}:{}", of(value)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            Bson::Array(values) => {
                format!("[{}]", values.iter().map(of).collect::<Vec<_>>().join(","))
            }
            _ => String::new(),
        }
    }
    let asked = ["filter", "query", "sort", "pipeline", "updates"];
    let parts = asked.iter().filter_map(|name| command.get(name)).map(of);
    format!("{} {}", name(command), parts.collect::<Vec<_>>().join(" "))
}

/// Asks the server how it would answer the command, if it knows how to tell.
async fn explain(database: &mongodb::Database, mut command: Document) {
    if !matches!(
        name(&command),
        "find" | "findAndModify" | "update" | "aggregate"
    ) {
        return;
    }
    for name in [
        "lsid",
        "$db",
        "$clusterTime",
        "txnNumber",
        "writeConcern",
        "readConcern",
    ] {
        command.remove(name);
    }
    let question = doc! { "explain": command.clone(), "verbosity": "queryPlanner" };
    match database.run_command(question).await {
        Ok(plan) => {
            let stages = stages(&Bson::Document(plan.clone()));
            let reads_too_much = |stage: &String| stage == "COLLSCAN" || stage == "SORT";
            assert!(
                !stages.iter().any(reads_too_much),
                "{command} is planned as {plan}"
            );
        }
        Err(error) if is_unknown_command(&error) => {}
        Err(error) => panic!("{command} cannot be explained: {error:?}"),
    }
}

/// What the stand-in says of `explain`.
fn is_unknown_command(error: &Error) -> bool {
    const COMMAND_NOT_FOUND: i32 = 59;
    matches!(&*error.kind, ErrorKind::Command(error) if error.code == COMMAND_NOT_FOUND)
}

/// The stages of all plans that won.
fn stages(plan: &Bson) -> Vec<String> {
    match plan {
        Bson::Document(document) => document
            .iter()
            .filter(|(name, _)| *name != "rejectedPlans" && *name != "command")
            .flat_map(|(name, value)| match value {
                Bson::String(stage) if name == "stage" => vec![stage.clone()],
                value => stages(value),
            })
            .collect(),
        Bson::Array(values) => values.iter().flat_map(stages).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_check_would_notice_what_no_index_serves() {
    let majority = doc! { "w": "majority", "j": true };
    for (command, complaint) in [
        (
            doc! { "find": COLLECTION, "filter": { "state": "present" } },
            "no index is named",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "title": "x" }, "hint": "by_title" },
            "not the beginning",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "state": "present" },
            "sort": { "views": -1, "_id": 1 }, "hint": "by_views" },
            "not the order",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "state": "present", "_id": { "$gt": 1 } },
            "sort": { "views": -1 }, "hint": "by_upload" },
            "not the order",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "state": "present", "_id": { "$gt": 1 } },
            "hint": "by_views" },
            "no range",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "deleted_at": 1 }, "hint": "pending_deletions" },
            "not all documents",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "terms": { "$regex": "x" } }, "hint": "by_term" },
            "$regex",
        ),
        (
            doc! { "find": COLLECTION, "filter": { "$or": [] }, "hint": "by_term" },
            "$or",
        ),
        (
            doc! { "aggregate": COLLECTION, "pipeline": [{ "$match": { "terms": "x" } }] },
            "no limit",
        ),
        (
            doc! { "findAndModify": COLLECTION, "query": { "_id": 1 }, "update": [],
            "writeConcern": majority.clone() },
            "pipeline",
        ),
        (
            doc! { "update": COLLECTION, "updates": [{ "q": { "_id": 1 }, "u": {}, "multi": true }],
            "writeConcern": majority },
            "several documents",
        ),
        (doc! { "insert": COLLECTION }, "no majority"),
        (
            doc! { "distinct": COLLECTION, "key": "title" },
            "none of the catalogue's",
        ),
        (
            doc! { "find": COLLECTION, "startTransaction": true },
            "transaction",
        ),
    ] {
        let said = check(&command).unwrap_err();
        assert!(said.contains(complaint), "{command}: {said}");
    }
}
