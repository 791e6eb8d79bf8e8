//! A guarded coordinator by real clients over TLS: who is let in, to what, until when, and what everybody else is told.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coordinator::access::{Authority, Role, TokenBook, TokenStore, fresh_token, names_for};
use coordinator::artifacts::ArtifactStore;
use coordinator::clock::wall_ms;
use coordinator::datasets::DatasetStore;
use coordinator::rpc::{Guard, RpcServer};
use coordinator::runtime::{Coordinator, CoordinatorHandle};
use coordinator::store::{SqliteStore, StateDir};
use sweep_engine::Mode;
use sweep_proto::dial::{Connection, Dialer, Hopeless, hopeless};
use sweep_proto::join::{JoinToken, Secret, TokenId};
use sweep_proto::v1;
use sweep_proto::v1::sweep_service_client::SweepServiceClient;
use sweep_proto::v1::token_service_client::TokenServiceClient;
use sweep_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};

use crate::ring::TwoTrials;

/// A guarded coordinator in this process.
struct Fort {
    handle: CoordinatorHandle,
    server: RpcServer,
    authority: Arc<Authority>,
    tokens: TokenStore,
}

impl Fort {
    async fn start(state: &Path) -> Self {
        Self::start_named(state, None).await
    }

    async fn start_named(state: &Path, names: Option<Vec<String>>) -> Self {
        let store = SqliteStore::open(StateDir::lock(state, "test").unwrap()).await.unwrap();
        let settings = coordinator::runtime::settings(Mode::Serve);
        let handle = Coordinator::start(settings, Arc::new(store)).await.unwrap();
        let authority = Arc::new(Authority::of_state_dir(state, wall_ms()).unwrap());
        let tokens = TokenStore::of_open_record(state);
        let book = TokenBook::open(tokens.clone()).await.unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let names = names.unwrap_or_else(|| names_for(listen, None, &[]));
        let guard = Guard { authority: Arc::clone(&authority), names, book, tokens: tokens.clone() };
        let (artifacts, datasets) = (ArtifactStore::of_state_dir(state), DatasetStore::of_state_dir(state));
        let intake = Arc::new(TwoTrials);
        let server =
            RpcServer::start_behind(Some(guard), listen, handle.clone(), artifacts, datasets, intake).await;
        Self { handle, server: server.unwrap(), authority, tokens }
    }

    /// A token as `coordinator token create` makes it beside the running coordinator.
    async fn token(&self, role: Role) -> JoinToken {
        self.token_until(role, None).await
    }

    async fn token_until(&self, role: Role, expires_ms: Option<i64>) -> JoinToken {
        let (token, record) =
            fresh_token(&self.authority, role, "test".to_owned(), wall_ms(), expires_ms).unwrap();
        self.tokens.add(&record).await.unwrap();
        token
    }

    fn connect(&self, token: &JoinToken) -> Connection {
        self.connect_by("https", Some(token))
    }

    fn connect_by(&self, scheme: &str, token: Option<&JoinToken>) -> Connection {
        self.dialer(scheme, token).lazy()
    }

    fn dialer(&self, scheme: &str, token: Option<&JoinToken>) -> Dialer {
        let url = format!("{scheme}://{}", self.server.address());
        Dialer::new(Endpoint::from_shared(url).unwrap(), token).unwrap()
    }

    async fn stop(self) {
        self.server.shutdown().await;
        self.handle.shutdown().await;
    }
}

fn registration(name: &str) -> v1::RegisterRequest {
    v1::RegisterRequest {
        worker: name.to_owned(),
        host: "host".to_owned(),
        pid: 1,
        slots: 2,
        protocol: sweep_proto::PROTOCOL,
        ..Default::default()
    }
}

async fn register(connection: Connection) -> Result<v1::RegisterResponse, Status> {
    let reply = WorkerServiceClient::new(connection).register(registration("w")).await;
    reply.map(tonic::Response::into_inner)
}

async fn list(connection: Connection) -> Result<(), Status> {
    SweepServiceClient::new(connection).list_sweeps(v1::ListSweepsRequest {}).await.map(drop)
}

async fn submit(connection: Connection) -> Result<(), Status> {
    let request = v1::SubmitSweepRequest { grid_toml: "x".to_owned(), ..Default::default() };
    SweepServiceClient::new(connection).submit_sweep(request).await.map(drop)
}

async fn list_tokens(connection: Connection) -> Result<(), Status> {
    TokenServiceClient::new(connection).list_tokens(v1::ListTokensRequest {}).await.map(drop)
}

fn name_of(status: &Status) -> &str {
    status.metadata().get("sweep-rejection").unwrap().to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_may_do_its_own_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    for role in Role::ALL {
        let connection = fort.connect(&fort.token(role).await);
        let done = [
            register(connection.clone()).await.map(drop),
            list(connection.clone()).await,
            submit(connection.clone()).await,
            list_tokens(connection).await,
        ];
        let expected = match role {
            Role::Worker => [true, false, false, false],
            Role::Viewer => [false, true, false, false],
            Role::Operator => [false, true, true, true],
        };
        assert_eq!(done.each_ref().map(Result::is_ok), expected, "{role}: {done:?}");
        for refused in done.into_iter().filter_map(Result::err) {
            assert_eq!((refused.code(), name_of(&refused)), (Code::PermissionDenied, "token-role"));
            assert!(refused.message().contains(role.name()), "{refused}");
        }
    }
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_live_token_is_told_why_and_who_has_a_forged_one_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let real = fort.token(Role::Worker).await;
    let forged_secret = JoinToken { secret: Secret::from_bytes([9; 32]), ..real };
    let forged_id = JoinToken { id: TokenId::from_bytes([9; 8]), ..real };
    let expired = fort.token_until(Role::Worker, Some(wall_ms() - 1)).await;
    let revoked = fort.token(Role::Worker).await;
    fort.tokens.revoke(revoked.id, wall_ms()).await.unwrap();
    for (token, name) in [
        (forged_secret, "token-unknown"),
        (forged_id, "token-unknown"),
        (expired, "token-expired"),
        (revoked, "token-revoked"),
    ] {
        let refused = register(fort.connect(&token)).await.unwrap_err();
        assert_eq!((refused.code(), name_of(&refused)), (Code::PermissionDenied, name), "{refused}");
        assert!(matches!(hopeless(&refused), Some(Hopeless::NotAllowed(_))));
    }
    // No header, and headers of another kind: what a client of another make would send.
    for (header, name) in
        [(None, "token-missing"), (Some("Basic dTpw"), "token-unknown"), (Some("Bearer"), "token-unknown")]
    {
        let mut request = Request::new(registration("w"));
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().unwrap());
        }
        let refused =
            WorkerServiceClient::new(fort.dialer("https", Some(&real)).channel()).register(request).await;
        let refused = refused.unwrap_err();
        assert_eq!((refused.code(), name_of(&refused)), (Code::PermissionDenied, name), "{refused}");
    }
    assert!(register(fort.connect(&real)).await.is_ok(), "others are unaffected");
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_running_sessions_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let (token, other) = (fort.token(Role::Worker).await, fort.token(Role::Worker).await);
    let connection = fort.connect(&token);
    let session = register(connection.clone()).await.unwrap().session;
    let mut client = WorkerServiceClient::new(connection);
    let beat = v1::HeartbeatRequest { session, running: Vec::new() };
    client.heartbeat(beat.clone()).await.unwrap();
    fort.tokens.revoke(token.id, wall_ms()).await.unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(2), async {
        loop {
            if let Err(refused) = client.heartbeat(beat.clone()).await {
                return refused;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(name_of(&refused.await.expect("refused in time")), "token-revoked");
    let mut others = WorkerServiceClient::new(fort.connect(&other));
    assert!(others.register(registration("v")).await.is_ok());
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_another_token_does_not_get_a_name_and_with_it_the_leases() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    submit(fort.connect(&fort.token(Role::Operator).await)).await.unwrap();
    let (honest, thief) = (fort.token(Role::Worker).await, fort.token(Role::Worker).await);
    let session = register(fort.connect(&honest)).await.unwrap().session;
    let mut client = WorkerServiceClient::new(fort.connect(&honest));
    let leases = client.lease_trials(v1::LeaseTrialsRequest { session, want: 2 }).await.unwrap().into_inner();
    assert_eq!(leases.leases.len(), 2);
    // Same name, host and process id: to the engine it would be the same process.
    let refused = register(fort.connect(&thief)).await.unwrap_err();
    assert_eq!((refused.code(), name_of(&refused)), (Code::PermissionDenied, "name-taken"));
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_leaves_before_it_has_sent_its_secret_where_the_ca_is_another() {
    let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (right, wrong) = (Fort::start(one.path()).await, Fort::start(two.path()).await);
    let token = right.token(Role::Viewer).await;
    let refused = list(wrong.connect(&token)).await.unwrap_err();
    let Some(Hopeless::NotAllowed(words)) = hopeless(&refused) else { panic!("{refused:?}") };
    assert!(words.contains("man in the middle") && words.contains("not sent"), "{words}");
    assert!(list(right.connect(&token)).await.is_ok());
    right.stop().await;
    wrong.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_certificate_lacks_is_said_with_the_option_that_adds_it() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start_named(folder.path(), Some(vec!["localhost".to_owned()])).await;
    let token = fort.token(Role::Viewer).await;
    let refused = list(fort.connect(&token)).await.unwrap_err();
    let Some(Hopeless::WrongDoor(words)) = hopeless(&refused) else { panic!("{refused:?}") };
    assert!(words.contains("--tls-name 127.0.0.1"), "{words}");
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_to_tls_and_tls_to_plain_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let token = fort.token(Role::Viewer).await;
    let refused = list(fort.connect_by("http", Some(&token))).await.unwrap_err();
    let Some(Hopeless::WrongDoor(words)) = hopeless(&refused) else { panic!("{refused:?}") };
    assert!(words.contains("https://"), "{words}");

    // A browser or curl.
    let mut tcp = TcpStream::connect(fort.server.address()).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");

    let other = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(StateDir::lock(other.path(), "test").unwrap()).await.unwrap();
    let settings = coordinator::runtime::settings(Mode::Serve);
    let handle = Coordinator::start(settings, Arc::new(store)).await.unwrap();
    let (artifacts, datasets) =
        (ArtifactStore::of_state_dir(other.path()), DatasetStore::of_state_dir(other.path()));
    let listen = "127.0.0.1:0".parse().unwrap();
    let plain =
        RpcServer::start(listen, handle.clone(), artifacts, datasets, Arc::new(TwoTrials)).await.unwrap();
    let url = format!("https://{}", plain.address());
    let dialer = Dialer::new(Endpoint::from_shared(url).unwrap(), Some(&token)).unwrap();
    let refused = list(dialer.lazy()).await.unwrap_err();
    let Some(Hopeless::WrongDoor(words)) = hopeless(&refused) else { panic!("{refused:?}") };
    assert!(words.contains("does not speak TLS") && words.contains("--tls"), "{words}");
    plain.shutdown().await;
    handle.shutdown().await;
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stalls_in_the_handshake_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let token = fort.token(Role::Viewer).await;
    let mut stalled = Vec::new();
    for _ in 0..200 {
        let mut tcp = TcpStream::connect(fort.server.address()).await.unwrap();
        // The start of a TLS record that never goes on.
        tcp.write_all(&[22, 3, 1]).await.unwrap();
        stalled.push(tcp);
    }
    let served = tokio::time::timeout(Duration::from_secs(5), list(fort.connect(&token))).await;
    served.expect("served beside them").unwrap();
    fort.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_handles_tokens_from_afar() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let mut client = TokenServiceClient::new(fort.connect(&fort.token(Role::Operator).await));
    let request =
        v1::CreateTokenRequest { role: "viewer".to_owned(), label: "l".to_owned(), lives_ms: Some(60_000) };
    let made = client.create_token(request.clone()).await.unwrap().into_inner();
    let token = JoinToken::parse(&made.token, "the answer").unwrap();
    assert!(list(fort.connect(&token)).await.is_ok());
    let listed = client.list_tokens(v1::ListTokensRequest {}).await.unwrap().into_inner().tokens;
    let row = listed.iter().find(|row| row.id == made.id).unwrap();
    assert_eq!((row.role.as_str(), row.label.as_str()), ("viewer", "l"));
    assert_eq!(row.expires_ms.unwrap() - row.created_ms, 60_000);

    for (role, label) in [("root", "l"), ("", "l"), ("viewer", &*"l".repeat(101))] {
        let bad = v1::CreateTokenRequest { role: role.to_owned(), label: label.to_owned(), lives_ms: None };
        assert_eq!(client.create_token(bad).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let revoke = |id: &str| v1::RevokeTokenRequest { id: id.to_owned() };
    assert!(!client.revoke_token(revoke(&made.id)).await.unwrap().into_inner().was_revoked);
    assert!(client.revoke_token(revoke(&made.id)).await.unwrap().into_inner().was_revoked);
    let unknown = client.revoke_token(revoke("0000000000000000")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(client.revoke_token(revoke("../x")).await.unwrap_err().code(), Code::InvalidArgument);
    fort.stop().await;
}

#[tokio::test]
async fn only_hashes_of_secrets_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let fort = Fort::start(folder.path()).await;
    let token = fort.token(Role::Worker).await;
    fort.stop().await;
    for name in ["coordinator.db", "coordinator.db-wal"] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap_or_default();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
        assert!(!holds(token.secret.as_bytes()), "{name}");
        assert!(!holds(token.reveal().rsplit('.').next().unwrap().as_bytes()), "{name}");
    }
}
