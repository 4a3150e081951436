//! What can go wrong between us and DynamoDB, reduced to what a caller can do about it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed storage operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More traffic than the table takes at this moment; it passes.
    #[error("the database is throttling: {0}")]
    Throttled(String),
    /// No answer in time, or a fault on the other side; trying again is safe, since first writes win.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Two writers met on the same item; trying again is safe.
    #[error("the item was changed at the same moment: {0}")]
    Contended(String),
    /// The request was refused: a table that is missing, a permission, a wrong key. Somebody must look.
    #[error("the database refused the request: {0}")]
    Refused(String),
    /// A stored item cannot be read. Somebody must look.
    #[error("a stored item is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same request may well succeed in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled(_) | Self::Unavailable(_) | Self::Contended(_) => true,
            Self::Refused(_) | Self::Corrupt(_) => false,
        }
    }

    /// The same failure, for several whom it concerns.
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Throttled(text) => Self::Throttled(text.clone()),
            Self::Unavailable(text) => Self::Unavailable(text.clone()),
            Self::Contended(text) => Self::Contended(text.clone()),
            Self::Refused(text) => Self::Refused(text.clone()),
            Self::Corrupt(text) => Self::Corrupt(text.clone()),
        }
    }
}

const THROTTLES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
];

impl<E> From<SdkError<E>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let text = aws_sdk_dynamodb::error::DisplayErrorContext(&error).to_string();
        let SdkError::ServiceError(service) = &error else {
            return Self::Unavailable(text);
        };
        match service.err().code() {
            Some(code) if THROTTLES.contains(&code) => Self::Throttled(text),
            Some("TransactionConflictException" | "TransactionInProgressException") => {
                Self::Contended(text)
            }
            _ if service.raw().status().is_server_error() => Self::Unavailable(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}
