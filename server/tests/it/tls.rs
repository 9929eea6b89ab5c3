//! Encrypted outgoing connections, with real handshakes: webhooks over https, e-mail with STARTTLS and credentials. A certificate authority
//! of the test signs the certificates; clients that do not trust it reject them.

use std::{io, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use domain::webhooks::address::IpNetwork;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use service::{
    jobs,
    mail::{self, TicketMailBuilder, TicketMailDetails},
    webhooks::client::{HostResolver, WebhookClient, WebhookHeaders, WebhookResponse},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    smtp::{LOGIN, Smtp},
    support::{Database, TestApp},
};

/// A certificate authority, and a TLS acceptor with a certificate for `name` that it signed.
fn certified(name: &str) -> (Vec<u8>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap().der().to_vec();
    let issuer = Issuer::new(authority, key);
    let own = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(own.serialize_der().into()))
        .unwrap();
    (root, TlsAcceptor::from(Arc::new(config)))
}

/// A webhook receiver over TLS: its port, and the decrypted requests.
async fn receiver(tls: TlsAcceptor) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, sender) = (tls.clone(), sender.clone());
            tokio::spawn(async move {
                let mut stream = tls.accept(stream).await?;
                let (mut request, mut piece) = (Vec::new(), [0; 4096]);
                while !request.ends_with(b"}") {
                    let n = stream.read(&mut piece).await?;
                    if n == 0 {
                        return Ok(());
                    }
                    request.extend_from_slice(&piece[..n]);
                }
                sender.send(String::from_utf8(request).unwrap()).ok();
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
                stream.shutdown().await
            });
        }
    });
    (port, heard)
}

/// A resolver that resolves every name to this machine.
struct Here;

#[async_trait]
impl HostResolver for Here {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

async fn post(url: &str, authorities: &[Vec<u8>]) -> WebhookResponse {
    let head = WebhookHeaders { id: "msg_1".into(), seconds: 1_800_000_000, signature: "v1,c2ln".into() };
    let allowed = [IpNetwork::parse("127.0.0.1").unwrap()];
    WebhookClient::trusting(&allowed, Arc::new(Here), authorities).send(url, &head, "{\"type\":\"test\"}".into()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_are_sent_over_tls_to_whom_an_authority_knows() {
    let (root, tls) = certified("hooks.test");
    let (port, mut heard) = receiver(tls).await;
    let url = format!("https://hooks.test:{port}/hook");
    let answer = post(&url, std::slice::from_ref(&root)).await;
    assert_eq!((answer.status, &answer.error), (Some(204), &None));
    let request = heard.recv().await.unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n") && request.ends_with("{\"type\":\"test\"}"), "{request}");
    assert!(request.contains("webhook-signature: v1,c2ln"), "{request}");

    // A server with an untrusted certificate, or one for another name, receives nothing.
    let stranger = post(&url, &[]).await;
    assert!(stranger.status.is_none() && stranger.error.is_some(), "{stranger:?}");
    let misnamed = post(&format!("https://other.test:{port}/hook"), &[root]).await;
    assert!(misnamed.status.is_none() && misnamed.error.is_some(), "{misnamed:?}");
    assert!(heard.try_recv().is_err());
}

/// A program that sends mail to a server on this machine; `login` is URL-encoded.
async fn mailing(smtp: &Smtp, login: &str, authorities: Vec<Vec<u8>>) -> TestApp {
    let url = format!("smtp://{login}@127.0.0.1:{}?tls=required", smtp.port);
    let mail = server::config::mail_for_tests_at(&url, authorities).unwrap();
    TestApp::with_settings(Database::Sqlite, |config| config.settings.mail = Some(mail)).await.unwrap()
}

/// Sends an e-mail; returns its state and the last error.
async fn letter(t: &TestApp) -> (String, String) {
    let (project, _) = t.owner().await;
    let about = TicketMailDetails { ticket: t.app.ids.uuid(), number: 1, subject: "A", to: "ann@example.com", path: "/p/my-app/t/secret" };
    let letter = mail::ticket_reply(&TicketMailBuilder::new(&t.app.settings, &project, "").unwrap(), about, "Olga", "B", false);
    let now = t.app.now();
    let id = t.app.store.write(move |tx| Box::pin(async move { tx.queue_mail(&letter, now).await })).await.unwrap().unwrap();
    jobs::run_due(&t.app).await.unwrap();
    let row = t.app.store.mail_message(id).await.unwrap().unwrap();
    (row.state, row.last_error.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_encrypted_before_the_password_is_told() {
    let (root, tls) = certified("127.0.0.1");
    let smtp = Smtp::start_with(Some(tls)).await;
    let login = "robot:s3cret%20%40%2F%3A";
    let t = mailing(&smtp, login, vec![root.clone()]).await;
    assert_eq!(letter(&t).await, ("sent".into(), String::new()));
    assert_eq!((smtp.letters().len(), smtp.encrypted()), (1, 1));
    assert_eq!(smtp.logins(), [(LOGIN.0.to_owned(), LOGIN.1.to_owned())]);

    // A wrong password is reported as such, and the e-mail stays queued.
    let t = mailing(&smtp, "robot:guessed", vec![root.clone()]).await;
    let (state, why) = letter(&t).await;
    assert!(state == "queued" && why.contains("rejected the sign-in (535)") && !why.contains("guessed"), "{state}: {why}");

    // A server with an untrusted certificate receives neither password nor e-mail, …
    let before = smtp.logins().len();
    let t = mailing(&smtp, login, vec![certified("127.0.0.1").0]).await;
    let (state, why) = letter(&t).await;
    assert!(
        state == "queued"
            && why.contains("certificate could not be verified, so nothing was sent")
            && why.contains("invalid peer certificate"),
        "{state}: {why}"
    );
    assert_eq!((smtp.logins().len(), smtp.letters().len()), (before, 1));
    // … nor does one without encryption.
    let plain = Smtp::start().await;
    let t = mailing(&plain, login, vec![root]).await;
    let (state, why) = letter(&t).await;
    assert!(state == "queued" && !why.is_empty(), "{state}: {why}");
    assert!(plain.letters().is_empty() && plain.logins().is_empty());
}
