//! The connection to the server: its bounds, what is asked of every command, and what its
//! failures mean.

use std::time::Duration;

use mongodb::bson::doc;
use mongodb::error::{Error, ErrorKind, WriteFailure};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria,
    WriteConcern,
};
use mongodb::{Client, Database};

use crate::config::MongoUrl;
use crate::view_log::ViewLogError;

/// Within this every command has answered, or it has failed: the gateway's own calls wait little
/// longer, and a consumer that waits holds its event.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server is looked for. Shorter than [`OPERATION_TIMEOUT`], so that the error says
/// what the driver knows of the servers.
const SERVER_SELECTION_TIMEOUT: Duration = Duration::from_millis(1_500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// After this the server says itself that a majority has not confirmed a write.
const MAJORITY_TIMEOUT: Duration = Duration::from_millis(1_500);
/// Each of the consumer's sixteen events has two commands under way at most; the rest is for
/// requests.
const POOL_SIZE: u32 = 48;
/// Connections that a burst left behind are closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// Connects to the database that the URL names, which must answer.
pub(super) async fn connect(
    url: &MongoUrl,
    commands: Option<EventHandler<CommandEvent>>,
    patience: Duration,
) -> Result<Database, ViewLogError> {
    let parsed = bounded(patience, async {
        ClientOptions::parse(url.connection_string()).await
    });
    let mut options = parsed.await?;
    options.app_name.get_or_insert_with(|| "history".to_owned());
    options
        .server_selection_timeout
        .get_or_insert(SERVER_SELECTION_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.max_pool_size.get_or_insert(POOL_SIZE);
    options.max_idle_time.get_or_insert(IDLE_TIMEOUT);
    // The laws rest on these three, whatever the URL says: what is acknowledged survives the loss
    // of a server, and what is read is what was written last.
    options.write_concern = Some(majority());
    options.read_concern = None;
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.command_event_handler = commands;

    let client = Client::with_options(options)?;
    let database = client.database(url.database());
    let hello = bounded(patience, async {
        database.run_command(doc! { "hello": 1 }).await
    });
    let hello = hello.await?;
    // An event that looks like a repetition must not be acknowledged by what a failover could
    // still take back. A server that stands alone takes nothing back, and refuses to be asked.
    let replicated =
        hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|kind| kind == "isdbgrid");
    if !replicated {
        return Ok(database);
    }
    let options = DatabaseOptions::builder()
        .read_concern(ReadConcern::majority())
        .build();
    Ok(client.database_with_options(url.database(), options))
}

fn majority() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .w_timeout(MAJORITY_TIMEOUT)
        .build()
}

/// Gives a command its time: [`OPERATION_TIMEOUT`], except in tests that are about something else.
pub(super) async fn bounded<T>(
    patience: Duration,
    command: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T, ViewLogError> {
    match tokio::time::timeout(patience, command).await {
        Ok(answered) => Ok(answered?),
        Err(elapsed) => Err(ViewLogError::Unavailable(Box::new(elapsed))),
    }
}

/// How long a command may take that moves a page of documents. Nobody waits at a screen for it, and
/// a server that also serves viewers may let it wait.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Gives a command that moves many documents its time.
pub(super) async fn patiently<T>(
    command: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T, ViewLogError> {
    bounded(PATIENCE, command).await
}

/// The places of the documents that an insertion left out because a unique key is taken, if it
/// left none out for another reason.
pub(super) fn taken_places(error: &Error) -> Option<Vec<usize>> {
    let ErrorKind::InsertMany(error) = &*error.kind else {
        return None;
    };
    let errors = error.write_errors.as_ref()?;
    let only_taken = error.write_concern_error.is_none()
        && errors.iter().all(|error| error.code == DUPLICATE_KEY);
    only_taken.then(|| errors.iter().map(|error| error.index).collect())
}

/// Error codes that say that the command itself is wrong, or the document it writes. Everything
/// else may pass: failovers, a full disk, a password that is being changed.
const LASTING: &[i32] = &[
    2,      // BadValue
    9,      // FailedToParse
    14,     // TypeMismatch
    20,     // IllegalOperation
    40,     // ConflictingUpdateOperators
    59,     // CommandNotFound
    66,     // ImmutableField
    72,     // InvalidOptions
    85,     // IndexOptionsConflict
    86,     // IndexKeySpecsConflict
    115,    // CommandNotSupported
    121,    // DocumentValidationFailure
    10334,  // BSONObjectTooLarge
    11_000, // DuplicateKey, where none was expected
    17419,  // the document would become too large
];

const DUPLICATE_KEY: i32 = 11_000;

/// Whether a write failed because a unique key is taken.
pub(super) fn is_duplicate_key(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::InsertMany(error) => error
            .write_errors
            .as_ref()
            .and_then(|errors| Some(errors.first()?.code)),
        _ => None,
    }
}

impl From<Error> for ViewLogError {
    fn from(error: Error) -> Self {
        let lasting = match &*error.kind {
            ErrorKind::InvalidArgument { .. }
            | ErrorKind::Bson(_)
            | ErrorKind::InvalidTlsConfig { .. }
            | ErrorKind::IncompatibleServer { .. } => true,
            _ => code(&error).is_some_and(|code| LASTING.contains(&code)),
        };
        if lasting {
            Self::Broken(Box::new(error))
        } else {
            Self::Unavailable(Box::new(error))
        }
    }
}
