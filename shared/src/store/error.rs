//! Failures of DynamoDB, reduced to what a caller can do about them.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed storage operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More traffic than the table takes at the moment. It passes.
    #[error("DynamoDB throttles: {0}")]
    Throttled(String),
    /// No response in time, or a fault of DynamoDB. A retry is safe, because first writes win.
    #[error("DynamoDB does not respond: {0}")]
    Unavailable(String),
    /// Two writers met on the same item. A retry is safe.
    #[error("another writer changed the item at the same moment: {0}")]
    Contended(String),
    /// The request was refused: a missing table, a missing permission, a wrong key. An operator must act.
    #[error("DynamoDB refused the request: {0}")]
    Refused(String),
    /// An item or a change is beyond a limit of DynamoDB. Nothing else is affected.
    #[error("DynamoDB cannot store this: {0}")]
    Unstorable(String),
    /// A stored item cannot be read. An operator must act.
    #[error("a stored item is damaged: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same request may succeed a moment later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Throttled(_) | Self::Unavailable(_) | Self::Contended(_) => true,
            Self::Refused(_) | Self::Unstorable(_) | Self::Corrupt(_) => false,
        }
    }

    /// Whether the failure is that of one item and not of the table or of all requests.
    pub fn concerns_one_item(&self) -> bool {
        matches!(self, Self::Unstorable(_) | Self::Corrupt(_))
    }

    /// The same failure for another caller.
    #[must_use]
    pub fn copy(&self) -> Self {
        match self {
            Self::Throttled(text) => Self::Throttled(text.clone()),
            Self::Unavailable(text) => Self::Unavailable(text.clone()),
            Self::Contended(text) => Self::Contended(text.clone()),
            Self::Refused(text) => Self::Refused(text.clone()),
            Self::Unstorable(text) => Self::Unstorable(text.clone()),
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
            Some("ValidationException" | "ItemCollectionSizeLimitExceededException") => {
                Self::Unstorable(text)
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
