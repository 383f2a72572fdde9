//! All kinds of credentials, accepted and refused.

use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use naq_core::transport::{Lookup, Producer, TransportError};
use naq_nats::{Auth, NatsConfig, NatsTransport, Tls};
use naq_testing::NatsServer;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::job;

const SECRET: &str = "hunter2-s3cr3t";

/// Connects and enqueues. A connection alone does not prove that the credentials are of use.
async fn connect_and_enqueue(config: NatsConfig) -> Result<(), TransportError> {
    let transport = NatsTransport::connect(config).await?;
    transport.publish(job("x", None)).await.map(drop)
}

async fn refused(config: NatsConfig) -> String {
    let debug = format!("{config:?}");
    let error = connect_and_enqueue(config).await.expect_err(&debug);
    assert!(matches!(error, TransportError::Auth(_)), "{error:?}");
    let text = format!("{error} {error:?} {debug}");
    assert!(!text.contains(SECRET), "{text}");
    text
}

fn user(user: &str, password: &str) -> Auth {
    Auth::UserPassword { user: user.into(), password: password.into() }
}

#[tokio::test]
async fn user_and_password_are_checked_given_or_in_the_url() {
    let server = NatsServer::builder()
        .config(&format!("authorization {{ user: ann, password: \"{SECRET}\" }}"))
        .start()
        .expect("a server");
    let config = || NatsConfig::new(server.url());
    let in_url =
        |credentials: &str| NatsConfig::new(format!("nats://{credentials}@{}", server.address()));
    connect_and_enqueue(config().auth(user("ann", SECRET))).await.expect("given");
    connect_and_enqueue(in_url(&format!("ann:{SECRET}"))).await.expect("in the URL");
    refused(config()).await;
    refused(config().auth(user("ann", &format!("{SECRET}x")))).await;
    refused(in_url(&format!("bob:{SECRET}"))).await;
    let transport =
        NatsTransport::connect(in_url(&format!("ann:{SECRET}"))).await.expect("connects");
    assert!(!format!("{transport:?}").contains(SECRET), "{transport:?}");
}

#[tokio::test]
async fn a_token_is_checked_given_or_in_the_url() {
    let server = NatsServer::builder()
        .config(&format!("authorization {{ token: \"{SECRET}\" }}"))
        .start()
        .expect("a server");
    let config = || NatsConfig::new(server.url());
    connect_and_enqueue(config().auth(Auth::Token(SECRET.into()))).await.expect("given");
    connect_and_enqueue(NatsConfig::new(format!("nats://{SECRET}@{}", server.address())))
        .await
        .expect("in URL");
    refused(config().auth(Auth::Token(format!("{SECRET}x").into()))).await;
}

#[tokio::test]
async fn an_nkey_is_checked() {
    let (key, other) = (KeyPair::new_user(), KeyPair::new_user());
    let server = NatsServer::builder()
        .config(&format!("authorization {{ users: [ {{ nkey: {} }} ] }}", key.public_key()))
        .start()
        .expect("a server");
    let dir = tempfile::tempdir().expect("a directory");
    let with = |name: &str, text: &str| {
        NatsConfig::new(server.url()).auth(Auth::NkeyFile(file(&dir, name, text)))
    };
    let seed = |key: &KeyPair| key.seed().expect("a seed");
    connect_and_enqueue(with("good", &format!("# mine\n{}\n", seed(&key)))).await.expect("lets in");
    refused(with("other", &seed(&other))).await;
    assert!(refused(with("broken", "SUxxxx")).await.contains("seed"));
    assert!(refused(with("empty", SECRET)).await.contains("empty"));
    let missing = NatsConfig::new(server.url()).auth(Auth::NkeyFile("/nowhere".into()));
    assert!(refused(missing).await.contains("/nowhere"));
}

#[tokio::test]
async fn a_jwt_is_checked_from_a_creds_file_and_from_two_files() {
    let [operator, system, account] =
        [KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account()];
    let user = KeyPair::new_user();
    let server = NatsServer::builder()
        .config(&format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\n\
             resolver_preload: {{ {}: {}\n {}: {} }}",
            jwt(&operator, &operator, json!({"type": "operator", "version": 2})),
            system.public_key(),
            system.public_key(),
            jwt(&operator, &system, account_claims(false)),
            account.public_key(),
            jwt(&operator, &account, account_claims(true)),
        ))
        .start()
        .expect("a server");
    let dir = tempfile::tempdir().expect("a directory");
    let claims = json!({
        "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1
    });
    let token = jwt(&account, &user, claims);
    let seed = user.seed().expect("a seed");
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    let config = |auth| NatsConfig::new(server.url()).auth(auth);
    connect_and_enqueue(config(Auth::CredsFile(file(&dir, "creds", &creds))))
        .await
        .expect("one file");
    let (jwt, seed) = (file(&dir, "jwt", &token), file(&dir, "seed", &seed));
    connect_and_enqueue(config(Auth::JwtFiles { jwt: jwt.clone(), seed }))
        .await
        .expect("two files");
    let other = KeyPair::new_user().seed().expect("a seed");
    refused(config(Auth::JwtFiles { jwt, seed: file(&dir, "other", &other) })).await;
    let text = refused(config(Auth::CredsFile(file(&dir, "bad", SECRET)))).await;
    assert!(text.contains("bad contains no user JWT"), "{text}");
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("writes");
    path
}

fn account_claims(jetstream: bool) -> Value {
    let storage = if jetstream { -1 } else { 0 };
    json!({
        "type": "account", "version": 2,
        "default_permissions": {"pub": {}, "sub": {}},
        "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": storage, "disk_storage": storage,
            "streams": storage, "consumer": storage,
        },
    })
}

fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let claims = json!({
        "jti": subject.public_key(), "iat": 1, "name": "test", "nats": nats,
        "iss": issuer.public_key(), "sub": subject.public_key(),
    });
    let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(json!({"typ": "JWT", "alg": "ed25519-nkey"})), part(claims));
    let signature = issuer.sign(text.as_bytes()).expect("signs");
    format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn tls_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "real", "tls", name].iter().collect()
}

fn tls_server(more: &str) -> NatsServer {
    let mut server = NatsServer::builder().config(&format!(
        "tls {{ cert_file: server.pem, key_file: server.key, ca_file: ca.pem, {more} }}"
    ));
    for name in ["ca.pem", "server.pem", "server.key"] {
        server = server.file(name, std::fs::read(tls_file(name)).expect("reads"));
    }
    server.start().expect("a server")
}

#[tokio::test]
async fn tls_needs_a_trusted_authority_and_mtls_also_a_client_certificate() {
    let ca = || Tls { ca: Some(tls_file("ca.pem")), ..Tls::default() };
    let ours =
        || Tls { cert: Some(tls_file("client.pem")), key: Some(tls_file("client.key")), ..ca() };
    let server = tls_server("verify: true");
    let config = |tls| NatsConfig::new(server.url()).tls(tls);
    connect_and_enqueue(config(ours())).await.expect("mTLS");
    let error = connect_and_enqueue(config(ca())).await.expect_err("no certificate");
    assert!(matches!(error, TransportError::Unreachable { .. }), "{error:?}");
    let error = connect_and_enqueue(config(Tls::default())).await.expect_err("unknown authority");
    assert!(error.to_string().contains("certificate"), "{error}");

    let server = tls_server("handshake_first: true");
    let config = |tls| NatsConfig::new(server.url().replace("nats:", "tls:")).tls(tls);
    connect_and_enqueue(config(Tls { first: true, ..ca() })).await.expect("TLS first");
}

#[tokio::test]
async fn a_broker_that_cannot_run_naq_is_refused_with_what_to_do() {
    let no_broker = connect_and_enqueue(NatsConfig::new("nats://ann:hunter2@127.0.0.1:1")).await;
    let text = no_broker.expect_err("no broker").to_string();
    assert!(text.contains("nats://***@127.0.0.1:1") && !text.contains("hunter2"), "{text}");
    for bad in ["", ",", "ftp://h", "nats://[", "nats://u:hunter2@h:99999999"] {
        let text = connect_and_enqueue(NatsConfig::new(bad)).await.expect_err(bad).to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }

    let server = NatsServer::builder()
        .config("accounts { PLAIN { users: [ { user: ann, password: pw } ] } }")
        .start()
        .expect("a server");
    let config = NatsConfig::new(server.url()).auth(user("ann", "pw"));
    let error = NatsTransport::connect(config).await.expect_err("no JetStream");
    assert!(matches!(error, TransportError::Unsupported { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("-js") && !text.contains("`naq "), "{text}");
}

#[tokio::test]
async fn a_worker_that_starts_before_its_broker_waits_for_it() {
    let mut server = NatsServer::start().expect("a server");
    server.stop().expect("stops");
    let mut config = NatsConfig::new(server.url());
    config.wait_for_broker = true;
    let connecting = tokio::spawn(NatsTransport::connect(config));
    tokio::task::yield_now().await;
    server.restart().expect("restarts");
    let connected = tokio::time::timeout(crate::support::TIME_LIMIT, connecting).await;
    let transport = connected.expect("in time").expect("no panic").expect("connects");
    assert!(transport.queues().await.expect("lists").is_empty());
}
