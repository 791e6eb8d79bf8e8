//! The gate: every call passes it before any of its body is read. It asks the table what the call needs and the book what
//! the token is, and refuses in words.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use sweep_proto::join::{Secret, TokenId, parse_bearer};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::book::{Denial, TokenBook};
use super::role::{Need, Role, need};
use crate::rpc::REJECTION_KEY;

/// Who makes a call: in the extensions of a request that has passed the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Somebody on this machine, where the coordinator listens on loopback without TLS; or anybody, where a call needs
    /// no token.
    Anybody,
    /// The holder of a token.
    Token(TokenId),
}

/// Puts the gate in front of all services.
#[derive(Debug, Clone)]
pub(crate) struct GateLayer {
    /// `None` on loopback without TLS: whoever can connect is on this machine.
    pub(crate) book: Option<Arc<TokenBook>>,
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, book: self.book.clone() }
    }
}

/// One service behind the gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    book: Option<Arc<TokenBook>>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone that was polled ready is the one to call.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        let book = self.book.clone();
        Box::pin(async move {
            let admitted = match &book {
                None => Ok(Caller::Anybody),
                Some(book) => match ask_of(&request) {
                    Ok(ask) => admit(book, ask).await,
                    Err(denial) => Err(denial),
                },
            };
            match admitted {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    ready.call(request).await
                }
                Err(denial) => {
                    tracing::warn!(path = request.uri().path(), why = denial.name(), "a call was refused");
                    Ok(refusal(denial).into_http())
                }
            }
        })
    }
}

/// What a call needs and what it shows.
enum Ask {
    Nothing,
    Role { needed: Role, id: TokenId, secret: Secret },
}

fn ask_of(request: &Request<Body>) -> Result<Ask, Denial> {
    let needed = match need(request.uri().path()).ok_or(Denial::NoSuchCall)? {
        Need::Nothing => return Ok(Ask::Nothing),
        Need::Role(role) => role,
    };
    let header = request.headers().get("authorization").ok_or(Denial::Missing)?;
    let (id, secret) = parse_bearer(header.as_bytes()).ok_or(Denial::Unknown)?;
    Ok(Ask::Role { needed, id, secret })
}

async fn admit(book: &TokenBook, ask: Ask) -> Result<Caller, Denial> {
    let Ask::Role { needed, id, secret } = ask else { return Ok(Caller::Anybody) };
    let held = book.check(id, &secret).await?;
    if held.may(needed) { Ok(Caller::Token(id)) } else { Err(Denial::OtherRole { id, held, needed }) }
}

fn refusal(denial: Denial) -> Status {
    let words = denial.to_string();
    let mut status = match denial {
        Denial::NoSuchCall => Status::unimplemented(words),
        _ => Status::permission_denied(words),
    };
    status.metadata_mut().insert(REJECTION_KEY, tonic::metadata::MetadataValue::from_static(denial.name()));
    status
}
