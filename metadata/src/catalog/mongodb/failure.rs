//! What can go wrong, and whether it passes by itself.

use std::time::Duration;

use mongodb::bson;
use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::catalog::CatalogError;

/// Why a step of a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The driver or the server said so.
    #[error("MongoDB failed")]
    Driver(#[from] Error),
    /// It took too long.
    #[error("MongoDB did not answer within {0:?}")]
    TimedOut(Duration),
    /// Each try found the document changed by somebody else.
    #[error("others kept changing the same document")]
    Contended,
    /// A later release keeps this document; it is running beside this one.
    #[error("a document has the schema version {found}, and this release writes {known}")]
    NewerDocument {
        /// The version of the document.
        found: i32,
        /// The version of this release.
        known: i32,
    },
    /// A later release has used this database.
    #[error(
        "the database has documents of a later schema version than {known}; run the release \
         that wrote them, or a later one"
    )]
    NewerDatabase {
        /// The version of this release.
        known: i32,
    },
    /// A document is not what any release writes.
    #[error("a document cannot be read")]
    Unreadable(#[from] bson::error::Error),
    /// A value in a document is outside its bounds.
    #[error("a document has an impossible value in {0}")]
    Impossible(&'static str),
}

/// Codes that say that the command is wrong, or what it would write, and will be tomorrow.
/// Everything else may pass: elections, full disks, passwords that are being changed.
const LASTING: &[i32] = &[
    2,      // BadValue
    9,      // FailedToParse
    14,     // TypeMismatch
    20,     // IllegalOperation
    40,     // ConflictingUpdateOperators
    59,     // CommandNotFound
    66,     // ImmutableField
    67,     // CannotCreateIndex
    72,     // InvalidOptions
    85,     // IndexOptionsConflict: an index of this name exists and is another
    86,     // IndexKeySpecsConflict
    115,    // CommandNotSupported
    121,    // DocumentValidationFailure
    10_334, // BSONObjectTooLarge
    11_000, // DuplicateKey, where none was expected
    17_419, // the document would grow too large
];

pub(super) const DUPLICATE_KEY: i32 = 11_000;

impl Failure {
    /// Says it in the words of the port.
    pub(super) fn explained(self, operation: &'static str) -> CatalogError {
        let lasts = match &self {
            Self::Driver(error) => lasts(error),
            Self::TimedOut(_) | Self::Contended | Self::NewerDocument { .. } => false,
            Self::NewerDatabase { .. } | Self::Unreadable(_) | Self::Impossible(_) => true,
        };
        let source = Box::new(self);
        if lasts {
            CatalogError::Broken { operation, source }
        } else {
            CatalogError::Unavailable { operation, source }
        }
    }
}

/// Whether a write failed because there is a document with this id.
pub(super) fn is_duplicate_key(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

fn lasts(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::InvalidArgument { .. }
        | ErrorKind::InvalidTlsConfig { .. }
        | ErrorKind::IncompatibleServer { .. }
        | ErrorKind::Bson(_) => true,
        _ => code(error).is_some_and(|code| LASTING.contains(&code)),
    }
}

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use mongodb::error::CommandError;

    use super::*;

    fn refused_with(code: i32) -> CatalogError {
        let refusal = doc! { "code": code, "codeName": "", "errmsg": "" };
        let error: CommandError = bson::deserialize_from_document(refusal).unwrap();
        Failure::from(Error::from(ErrorKind::Command(error))).explained("test")
    }

    #[test]
    fn what_no_repetition_mends_is_broken() {
        // Another index has the name; the hint names no index; the document is too large.
        for code in [86, 2, 10_334] {
            let error = refused_with(code);
            assert!(matches!(error, CatalogError::Broken { .. }), "{code}");
        }
    }

    #[test]
    fn what_passes_is_unavailable() {
        // No primary; too slow; shutting down; a wrong password; no room on the disk.
        for code in [10_107, 50, 91, 18, 14_031] {
            let error = refused_with(code);
            assert!(matches!(error, CatalogError::Unavailable { .. }), "{code}");
        }
    }
}
