//! Errors to gRPC status codes: one place, so that a worker can rely on what a code means. The words are for people;
//! programs read the code and the metadata key `sweep-rejection`.

use sweep_engine::Rejection;
use sweep_proto::convert::WireError;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::artifacts::ArtifactError;
use crate::datasets::DatasetError;
use crate::runtime::RuntimeError;

/// Metadata key with the rejection's name.
pub(crate) const REJECTION_KEY: &str = "sweep-rejection";

pub(super) fn of_wire(error: &WireError) -> Status {
    Status::invalid_argument(error.to_string())
}

pub(super) fn of_runtime(error: &RuntimeError) -> Status {
    match error {
        RuntimeError::Rejected(rejection) => of_rejection(rejection),
        RuntimeError::Store(_) | RuntimeError::Stopped => Status::unavailable(error.to_string()),
    }
}

fn of_rejection(rejection: &Rejection) -> Status {
    let code = match rejection {
        // Register, then say it again.
        Rejection::UnknownSession => Code::Unauthenticated,
        // Drop the trial.
        Rejection::Superseded { .. } | Rejection::Ended { .. } => Code::FailedPrecondition,
        Rejection::UnknownTrial { .. } | Rejection::UnknownSweep { .. } | Rejection::NoCheckpoint { .. } => {
            Code::NotFound
        }
        Rejection::NameTaken { .. } => Code::AlreadyExists,
        Rejection::TooManyWorkers { .. } | Rejection::NoRoom => Code::ResourceExhausted,
        Rejection::BadRegistration { .. } | Rejection::BadSweepSize { .. } => Code::InvalidArgument,
    };
    let mut status = Status::new(code, rejection.to_string());
    status.metadata_mut().insert(REJECTION_KEY, MetadataValue::from_static(rejection.name()));
    status
}

pub(super) fn of_artifact(error: &ArtifactError) -> Status {
    let words = error.to_string();
    match error {
        ArtifactError::TooLarge { .. }
        | ArtifactError::WrongLength { .. }
        | ArtifactError::WrongHash { .. } => Status::invalid_argument(words),
        ArtifactError::Absent { .. } => Status::not_found(words),
        ArtifactError::BehindEnd { .. } => Status::out_of_range(words),
        ArtifactError::Io { .. } => Status::unavailable(words),
    }
}

pub(super) fn of_dataset(error: &DatasetError) -> Status {
    let words = error.to_string();
    match error {
        DatasetError::Absent { .. } => Status::not_found(words),
        DatasetError::BehindEnd { .. } => Status::out_of_range(words),
        DatasetError::Io { .. } => Status::unavailable(words),
    }
}
