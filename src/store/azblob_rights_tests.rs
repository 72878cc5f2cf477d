//! Rights in a container: against Azurite, which lets everybody in, and against an endpoint that turns some calls away.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::model::Class;
use crate::store::testing::{Azurite, Spot, note};
use crate::store::{AzBlob, Store as _};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_do_all_is_told_so_and_nothing_changes() {
    let Some(azurite) = Azurite::start() else { return };
    let store = azurite.spot("rights").blobs();
    let rights = store.rights().await;
    assert!(!rights.container, "nobody has made it");
    assert_eq!((rights.read, rights.write), (Ok(true), Ok(true)));
    assert!(!store.rights().await.container, "nor did asking");
    drop(store.lock(note("apply"), std::time::Duration::ZERO).await.unwrap());
    let rights = store.rights().await;
    assert!(rights.container && rights.refusal.is_none());
    assert_eq!((rights.read, rights.write), (Ok(true), Ok(true)));
    assert!(store.blobs.list("can-i").await.unwrap().is_empty(), "asking wrote nothing");
    let mut held = store.lock(note("apply"), std::time::Duration::ZERO).await.unwrap();
    assert_eq!(store.rights().await.write, Ok(true), "a lock that somebody holds is no refusal");
    held.append_ledger("a").await.unwrap();
}

/// A blob endpoint that answers each call, told by its method and its path with the query, with a status and a code.
async fn endpoint(answer: fn(&str, &str) -> (u16, &'static str)) -> (AzBlob, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = dir.path().join("cert.pem");
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let mut words = head.split(' ');
                let (status, code) = answer(words.next().unwrap(), words.next().unwrap());
                let list = "<EnumerationResults><Blobs></Blobs><NextMarker /></EnumerationResults>";
                let body = if status == 200 { list } else { "" };
                let reply = format!(
                    "HTTP/1.1 {status} X\r\nx-ms-error-code: {code}\r\ncontent-type: application/xml\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            });
        }
    });
    let place = format!("azblob+https://127.0.0.1:{port}/account/state/x");
    (Spot { certificate: Some(certificate), ..Spot::new(place) }.blobs(), dir)
}

const DENIED: (u16, &str) = (403, "AuthorizationPermissionMismatch");

#[tokio::test]
async fn a_reader_may_read_and_not_write() {
    let (store, _dir) = endpoint(|method, path| match method {
        "PUT" => DENIED,
        "HEAD" => (404, "BlobNotFound"),
        _ if path.contains("comp=list") => (200, ""),
        _ => (404, "BlobNotFound"),
    })
    .await;
    let rights = store.rights().await;
    assert_eq!((&rights.read, &rights.write), (&Ok(true), &Ok(false)), "{rights:?}");
    assert!(rights.container && rights.refusal.unwrap().contains("AuthorizationPermissionMismatch"));
}

#[tokio::test]
async fn whoever_may_write_but_not_lease_cannot_hold_the_lock() {
    let (store, _dir) = endpoint(|method, path| match method {
        "PUT" if path.contains("comp=lease") => DENIED,
        "PUT" => (412, "ConditionNotMet"),
        "HEAD" => (404, "BlobNotFound"),
        _ => (200, ""),
    })
    .await;
    assert_eq!(store.rights().await.write, Ok(false));
}

#[tokio::test]
async fn whoever_may_nothing_is_told_so_and_a_stranger_is_not_signed_in() {
    let (store, _dir) = endpoint(|_, _| DENIED).await;
    let rights = store.rights().await;
    assert_eq!((rights.read, rights.write), (Ok(false), Ok(false)));
    let (store, _dir) = endpoint(|_, _| (401, "InvalidAuthenticationInfo")).await;
    let rights = store.rights().await;
    assert_eq!(rights.read.unwrap_err().class, Class::NotSignedIn);
    assert_eq!(rights.write.unwrap_err().class, Class::NotSignedIn);
}
