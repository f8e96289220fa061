//! Which of the store's errors an error of SQLite is.

use rusqlite::{Error, ErrorCode, ffi};

use crate::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::SqliteFailure(failure, _) => of_code(failure, text),
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Self::Corrupt(text),
            _ => Self::Io(text),
        }
    }
}

fn of_code(failure: ffi::Error, text: String) -> StoreError {
    match failure.code {
        ErrorCode::DiskFull => StoreError::Full(text),
        // The index of the write-ahead log could not be made larger; SQLite has no other name for "no space" there.
        _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::Full(text),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy(text),
        // The writer checks every condition before it writes: a constraint can only fail on rows it did not write.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            StoreError::Corrupt(text)
        }
        _ => StoreError::Io(text),
    }
}
