//! `SweepService`: what a person's command says to a running coordinator.

use std::path::PathBuf;
use std::sync::Arc;

use domain::SweepName;
use sweep_proto::v1;
use sweep_proto::v1::sweep_service_server::SweepService;
use tonic::{Request, Response, Status};

use super::status::of_runtime;
use super::{SubmittedGrid, SweepIntake};
use crate::runtime::{CoordinatorHandle, SweepOrder, SweepProgress, WorkerStatus};

pub(super) struct SweepApi {
    pub(super) handle: CoordinatorHandle,
    pub(super) intake: Arc<dyn SweepIntake>,
}

#[tonic::async_trait]
impl SweepService for SweepApi {
    async fn submit_sweep(
        &self,
        request: Request<v1::SubmitSweepRequest>,
    ) -> Result<Response<v1::SubmitSweepResponse>, Status> {
        let message = request.into_inner();
        let grid = SubmittedGrid {
            grid_toml: message.grid_toml,
            file_name: message.file_name,
            base_dir: PathBuf::from(message.base_dir),
        };
        let prepared =
            self.intake.prepare(grid).await.map_err(|error| Status::invalid_argument(error.message))?;
        let sweep = prepared.record.name.to_string();
        let submitted = self.handle.submit_sweep(prepared.record, prepared.trials).await;
        let receipt = submitted.map_err(|error| of_runtime(&error))?;
        Ok(Response::new(v1::SubmitSweepResponse { sweep, trials: receipt.trials, ended: receipt.ended }))
    }

    async fn control_sweep(
        &self,
        request: Request<v1::ControlSweepRequest>,
    ) -> Result<Response<v1::ControlSweepResponse>, Status> {
        let message = request.into_inner();
        let order = match message.order() {
            v1::SweepOrder::Pause => SweepOrder::Pause,
            v1::SweepOrder::Resume => SweepOrder::Resume,
            v1::SweepOrder::Cancel => SweepOrder::Cancel,
            v1::SweepOrder::RetryFailed => SweepOrder::RetryFailed,
            v1::SweepOrder::Unspecified => return Err(Status::invalid_argument("no such order")),
        };
        let sweep = message.sweep.parse::<SweepName>();
        let sweep = sweep.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let trials = self.handle.order(sweep, order).await.map_err(|error| of_runtime(&error))?;
        Ok(Response::new(v1::ControlSweepResponse { trials }))
    }

    async fn list_sweeps(
        &self,
        _request: Request<v1::ListSweepsRequest>,
    ) -> Result<Response<v1::ListSweepsResponse>, Status> {
        let progress = self.handle.progress();
        let sweeps = progress.borrow().sweeps.iter().map(sweep_to_wire).collect();
        Ok(Response::new(v1::ListSweepsResponse { sweeps }))
    }

    async fn list_workers(
        &self,
        _request: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let progress = self.handle.progress();
        let workers = progress.borrow().workers.iter().map(worker_to_wire).collect();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }
}

fn sweep_to_wire(sweep: &SweepProgress) -> v1::SweepSummary {
    let counts = &sweep.counts;
    v1::SweepSummary {
        sweep: sweep.name.to_string(),
        pending: counts.pending,
        leased: counts.leased,
        done: counts.done,
        diverged: counts.diverged,
        failed: counts.failed,
        poisoned: counts.poisoned,
        cancelled: counts.cancelled,
        paused: sweep.is_paused,
    }
}

fn worker_to_wire(worker: &WorkerStatus) -> v1::WorkerSummary {
    v1::WorkerSummary {
        worker: worker.info.name.clone(),
        host: worker.info.host.clone(),
        slots: worker.info.slots,
        running: worker.running,
        silent_ms: worker.silent_ms,
        device: worker.info.device.clone(),
        isa: worker.info.isa.clone(),
    }
}
