//! The errors of the API: the code in the header, the HTTP status that belongs to it, and the sentence.

use serde::{Deserialize, Serialize};

/// An error code as AWS sends it in `x-amzn-ErrorType`.
///
/// The first eight are modelled by Bedrock for these operations; the others come from the AWS front door (signatures,
/// routing, parsing) and are the same for every service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorCode {
    /// IAM does not allow it.
    AccessDeniedException,
    /// The resource is in a state that does not allow it. Bedrock answers it with 400, not 409.
    ConflictException,
    /// Something broke at AWS.
    InternalServerException,
    /// There is no such resource.
    ResourceNotFoundException,
    /// A quota would be exceeded. Bedrock answers it with 400.
    ServiceQuotaExceededException,
    /// Too many requests.
    ThrottlingException,
    /// More than 50 tags on one resource.
    TooManyTagsException,
    /// The request breaks a rule.
    ValidationException,
    /// The security token has run out.
    ExpiredTokenException,
    /// The `Authorization` header cannot be read.
    IncompleteSignatureException,
    /// The signature is for another service.
    InvalidSignatureException,
    /// There is no `Authorization` header.
    MissingAuthenticationTokenException,
    /// The body is longer than any request needs to be.
    RequestEntityTooLargeException,
    /// The body is not what the operation's shape says.
    SerializationException,
    /// No operation has this method and path.
    UnknownOperationException,
    /// Nobody has this access key.
    UnrecognizedClientException,
}

impl ErrorCode {
    /// Every code there is.
    pub const ALL: &[Self] = &[
        Self::AccessDeniedException,
        Self::ConflictException,
        Self::InternalServerException,
        Self::ResourceNotFoundException,
        Self::ServiceQuotaExceededException,
        Self::ThrottlingException,
        Self::TooManyTagsException,
        Self::ValidationException,
        Self::ExpiredTokenException,
        Self::IncompleteSignatureException,
        Self::InvalidSignatureException,
        Self::MissingAuthenticationTokenException,
        Self::RequestEntityTooLargeException,
        Self::SerializationException,
        Self::UnknownOperationException,
        Self::UnrecognizedClientException,
    ];

    /// The code as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDeniedException => "AccessDeniedException",
            Self::ConflictException => "ConflictException",
            Self::InternalServerException => "InternalServerException",
            Self::ResourceNotFoundException => "ResourceNotFoundException",
            Self::ServiceQuotaExceededException => "ServiceQuotaExceededException",
            Self::ThrottlingException => "ThrottlingException",
            Self::TooManyTagsException => "TooManyTagsException",
            Self::ValidationException => "ValidationException",
            Self::ExpiredTokenException => "ExpiredTokenException",
            Self::IncompleteSignatureException => "IncompleteSignatureException",
            Self::InvalidSignatureException => "InvalidSignatureException",
            Self::MissingAuthenticationTokenException => "MissingAuthenticationTokenException",
            Self::RequestEntityTooLargeException => "RequestEntityTooLargeException",
            Self::SerializationException => "SerializationException",
            Self::UnknownOperationException => "UnknownOperationException",
            Self::UnrecognizedClientException => "UnrecognizedClientException",
        }
    }

    /// The HTTP status that AWS's model gives to the code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::ConflictException
            | Self::ServiceQuotaExceededException
            | Self::TooManyTagsException
            | Self::ValidationException
            | Self::SerializationException => 400,
            Self::AccessDeniedException
            | Self::ExpiredTokenException
            | Self::IncompleteSignatureException
            | Self::InvalidSignatureException
            | Self::MissingAuthenticationTokenException
            | Self::UnrecognizedClientException => 403,
            Self::ResourceNotFoundException | Self::UnknownOperationException => 404,
            Self::RequestEntityTooLargeException => 413,
            Self::ThrottlingException => 429,
            Self::InternalServerException => 500,
        }
    }

    /// The code with this name, if it is one of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct ApiError {
    /// What kind of error it is; it gives the HTTP status.
    pub code: ErrorCode,
    /// The sentence in the body.
    pub message: String,
    /// Only with [`ErrorCode::TooManyTagsException`]: the ARN of the resource.
    pub resource_name: Option<String>,
}

impl ApiError {
    /// An error with this code and sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), resource_name: None }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationException, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code.status()
    }
}
