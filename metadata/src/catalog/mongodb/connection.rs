//! The connection to the server: its bounds, and what every command asks for.

use std::time::Duration;

use mongodb::bson::doc;
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Database};

use super::failure::Failure;
use crate::config::MongoUrl;

/// Within this a call of the port is answered or has failed. The gateway waits 5 s for us.
pub(super) const CALL: Duration = Duration::from_secs(3);

/// After this the server itself gives a command up, so that what nobody waits for any more does
/// not go on there.
pub(super) const COMMAND: Duration = Duration::from_millis(2_500);

/// How long a server that can serve is looked for. A server that is down is known within this; an
/// election takes longer, and callers are asked to come back.
const SERVER_SELECTION: Duration = Duration::from_secs(1);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// After this the server says that it could not confirm a write with a majority.
const MAJORITY: Duration = Duration::from_secs(2);

/// Connections of one replica of this service. Few commands take longer than a millisecond; more
/// of them at once would wait for the server instead of here.
const POOL_SIZE: u32 = 32;

/// Connections that a burst left behind are closed after this.
const IDLE: Duration = Duration::from_mins(5);

/// Opens the database that the URL names. Its server must answer.
pub(super) async fn connect(url: &MongoUrl) -> Result<Database, Failure> {
    // For `mongodb+srv` this asks the name server.
    let mut options = in_time(CALL, async {
        Ok(ClientOptions::parse(url.as_str()).await?)
    })
    .await?;
    let app_name = || "flixtube-metadata".to_owned();
    options.app_name.get_or_insert_with(app_name);
    let selection = options
        .server_selection_timeout
        .get_or_insert(SERVER_SELECTION);
    // A URL that gives the search for a server longer than a call has means it.
    let opening = CALL.max(*selection);
    options.connect_timeout.get_or_insert(CONNECT);
    options.max_pool_size.get_or_insert(POOL_SIZE);
    options.max_idle_time.get_or_insert(IDLE);
    // The laws rest on these, whatever the URL says. A write is answered once it is in the journal
    // of a majority: no election takes it back (law 2).
    options.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .w_timeout(MAJORITY)
            .build(),
    );
    // Secondaries lag behind: who has written would not see it there (law 3).
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    options.selection_criteria = Some(primary);
    options.read_concern = None;
    #[cfg(test)]
    {
        options.command_event_handler.clone_from(&url.commands);
    }

    let client = Client::with_options(options)?;
    let database = client.database(url.database());
    let hello = in_time(opening, async {
        Ok(database.run_command(doc! { "hello": 1 }).await?)
    })
    .await?;
    // A registration that finds the video there answers like one that registers it, so what it
    // finds must not be taken back by an election either. A server that stands alone takes nothing
    // back, and refuses to be asked for a majority.
    let is_router = hello.get_str("msg").is_ok_and(|kind| kind == "isdbgrid");
    let is_replicated = hello.contains_key("setName") || is_router;
    if !is_replicated {
        return Ok(database);
    }
    let options = DatabaseOptions::builder()
        .read_concern(ReadConcern::majority())
        .build();
    Ok(client.database_with_options(url.database(), options))
}

/// Gives a call its time. What it has under way is cancelled when that is over: the connection is
/// closed then and not used again.
pub(super) async fn in_time<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, call).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::TimedOut(patience)),
    }
}
