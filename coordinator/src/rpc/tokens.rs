//! `TokenService`: an operator handles tokens from afar.

use std::sync::Arc;

use sweep_proto::v1;
use sweep_proto::v1::token_service_server::TokenService;
use tonic::{Request, Response, Status};

use crate::access::{
    AccessError, Authority, MAX_LABEL_BYTES, Revocation, Role, TokenRecord, TokenStore, fresh_token,
};
use crate::clock::wall_ms;

pub(super) struct TokenApi {
    /// `None` where the coordinator listens without TLS: then nobody needs a token.
    pub(super) issuer: Option<(Arc<Authority>, TokenStore)>,
}

impl TokenApi {
    fn issuer(&self) -> Result<&(Arc<Authority>, TokenStore), Status> {
        self.issuer.as_ref().ok_or_else(|| {
            Status::failed_precondition(
                "this coordinator listens without TLS, where nobody needs a token: start it with --tls",
            )
        })
    }
}

#[tonic::async_trait]
impl TokenService for TokenApi {
    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let (authority, store) = self.issuer()?;
        let message = request.into_inner();
        let role = Role::from_name(&message.role)
            .ok_or_else(|| Status::invalid_argument("a role is worker, viewer or operator"))?;
        if message.label.len() > MAX_LABEL_BYTES {
            return Err(Status::invalid_argument(format!("a label has at most {MAX_LABEL_BYTES} bytes")));
        }
        let now_ms = wall_ms();
        let expires_ms = message.lives_ms.map(|life_ms| now_ms.saturating_add_unsigned(life_ms));
        let made = fresh_token(authority, role, message.label, now_ms, expires_ms);
        let (token, record) = made.map_err(|error| Status::unavailable(error.to_string()))?;
        store.add(&record).await.map_err(|error| refusal(&error))?;
        Ok(Response::new(v1::CreateTokenResponse { token: token.reveal(), id: token.id.to_string() }))
    }

    async fn list_tokens(
        &self,
        _request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let (_, store) = self.issuer()?;
        let records = store.list().await.map_err(|error| refusal(&error))?;
        Ok(Response::new(v1::ListTokensResponse { tokens: records.iter().map(to_wire).collect() }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let (_, store) = self.issuer()?;
        let id = request.into_inner().id;
        let id = id
            .parse()
            .map_err(|error: sweep_proto::join::NoTokenId| Status::invalid_argument(error.to_string()))?;
        match store.revoke(id, wall_ms()).await.map_err(|error| refusal(&error))? {
            Revocation::Unknown => Err(Status::not_found(format!("there is no token {id}"))),
            found => {
                let was_revoked = found == Revocation::Before;
                Ok(Response::new(v1::RevokeTokenResponse { was_revoked }))
            }
        }
    }
}

fn refusal(error: &AccessError) -> Status {
    match error {
        AccessError::TooMany { .. } => Status::resource_exhausted(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

fn to_wire(record: &TokenRecord) -> v1::TokenSummary {
    v1::TokenSummary {
        id: record.id.to_string(),
        role: record.role.name().to_owned(),
        label: record.label.clone(),
        created_ms: record.created_ms,
        expires_ms: record.expires_ms,
        revoked_ms: record.revoked_ms,
    }
}
