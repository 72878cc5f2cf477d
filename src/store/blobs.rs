//! A container of blobs: a few calls, each under its condition, and what their refusals mean.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::AUTHORIZATION;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{
    ClientOptions, Context, Etag, ExponentialRetryOptions, Request, RequestContent, RetryOptions, Transport, Url,
};
use azure_storage_blob::models::{
    AppendBlobClientAppendBlockOptions, AppendBlobClientAppendBlockResultHeaders, AppendBlobClientCreateOptions,
    AppendBlobClientCreateResultHeaders, BlobClientAcquireLeaseOptions, BlobClientBreakLeaseOptions,
    BlobClientGetPropertiesResultHeaders, BlobContainerClientListBlobsOptions, BlockBlobClientUploadOptions,
    LeaseState,
};
use azure_storage_blob::{BlobClient, BlobContainerClient, BlobContainerClientOptions};
use futures::TryStreamExt as _;

use crate::azure::{Tokens, explain, is_certificate_error};
use crate::model::{Class, Failure};

/// The audience of tokens for Azure Storage, the same in every cloud.
const AUDIENCE: &str = "https://storage.azure.com";
/// One call with its retries takes no longer than this.
pub(super) const CALL: Duration = Duration::from_secs(20);

/// The blobs of a store: those of one container whose names begin with one prefix.
pub(super) struct Blobs {
    container: BlobContainerClient,
    prefix: String,
    place: String,
}

/// What was found of a blob.
pub(super) struct Found {
    pub(super) content: Vec<u8>,
    pub(super) leased: bool,
}

/// State and length of a blob.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) etag: Etag,
    pub(super) length: u64,
}

/// Why a call failed: the service's code, where it answered, and the failure to tell.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: String,
    status: u16,
    failure: Failure,
}

impl Refused {
    /// Whether the condition of a call did not hold, or a lease was in the way.
    pub(super) fn is_condition(&self) -> bool {
        matches!(self.status, 409 | 412)
    }

    pub(super) fn is_missing(&self) -> bool {
        self.status == 404
    }

    /// Whether the container itself is not there.
    pub(super) fn no_container(&self) -> bool {
        self.code == "ContainerNotFound"
    }

    pub(super) fn is_forbidden(&self) -> bool {
        self.status == 403
    }

    /// Whether the call may have been carried out although it failed.
    pub(super) fn is_open(&self) -> bool {
        self.status == 0 || self.status >= 500 || self.is_condition()
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

/// Puts a token on each call. The library's own policy would cache and renew tokens a second time.
#[derive(Clone)]
struct Bearer(Tokens);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer")
    }
}

#[async_trait]
impl Policy for Bearer {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let Some((first, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(ErrorKind::Other, "no policy sends the call"));
        };
        let token =
            self.0.token(AUDIENCE).await.map_err(|failure| azure_core::Error::new(ErrorKind::Credential, failure))?;
        request.insert_header(AUTHORIZATION, format!("Bearer {}", token.secret.expose()));
        first.send(context, request, rest).await
    }
}

impl Blobs {
    /// The blobs of `container` at `service`, an `https` URL without a trailing slash. `place` is for messages.
    pub(super) fn new(
        service: &str,
        container: &str,
        prefix: &str,
        place: String,
        tokens: Tokens,
        http: reqwest::Client,
    ) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::new(Class::Input, "this cannot be the place of a store")
                .detail(format!("{place}: {error}"))
                .remedy("write azblob://account/container/prefix")
        };
        let url = Url::parse(&format!("{service}/{container}")).map_err(|error| wrong(&error))?;
        if url.scheme() != "https" {
            return Err(wrong(&"tokens are sent over https only"));
        }
        let client_options = ClientOptions {
            per_try_policies: vec![Arc::new(Bearer(tokens))],
            retry: RetryOptions::exponential(ExponentialRetryOptions {
                initial_delay: azure_core::time::Duration::milliseconds(200),
                max_retries: 3,
                max_total_elapsed: azure_core::time::Duration::seconds(8),
                ..ExponentialRetryOptions::default()
            }),
            transport: Some(Transport::new(Arc::new(http))),
            ..ClientOptions::default()
        };
        let options = BlobContainerClientOptions { client_options, ..BlobContainerClientOptions::default() };
        let container = BlobContainerClient::new(url, None, Some(options)).map_err(|error| wrong(&error))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { container, prefix, place })
    }

    /// Where they are, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn blob(&self, name: &str) -> BlobClient {
        self.container.blob_client(&format!("{}{name}", self.prefix))
    }

    async fn call<T>(&self, doing: &str, call: impl Future<Output = azure_core::Result<T>>) -> Result<T, Refused> {
        let doing = format!("cannot {doing} in {}", self.place);
        match tokio::time::timeout(CALL, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(refused(&error, &doing)),
            Err(_) => {
                let failure = Failure::new(Class::Unreachable, UNREACHABLE)
                    .detail(format!("{doing}: no answer within {} s", CALL.as_secs()))
                    .remedy("check the firewall rules and private endpoints of the storage account");
                Err(Refused { code: String::new(), status: 0, failure })
            }
        }
    }

    /// Makes the container, if it is not there.
    pub(super) async fn make_container(&self) -> Result<(), Refused> {
        match self.call("make the container", self.container.create(None)).await {
            Err(refused) if refused.code != "ContainerAlreadyExists" => Err(refused),
            _ => Ok(()),
        }
    }

    /// A blob's content; `None` when it is not there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Found>, Failure> {
        let read = async {
            let answer = self.blob(name).download(None).await?;
            let leased = answer.properties.lease_state == Some(LeaseState::Leased);
            Ok(Found { content: answer.body.collect().await?.to_vec(), leased })
        };
        match self.call(&format!("read {name}"), read).await {
            Ok(found) => Ok(Some(found)),
            Err(refused) if refused.is_missing() => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    /// A blob's state and length; `None` when it is not there.
    pub(super) async fn head(&self, name: &str) -> Result<Option<Head>, Refused> {
        let head = async {
            let answer = self.blob(name).get_properties(None).await?;
            Ok((answer.etag()?, answer.content_length()?.unwrap_or_default()))
        };
        match self.call(&format!("look at {name}"), head).await {
            Ok((etag, length)) => Ok(Some(Head { etag: known(etag), length })),
            Err(refused) if refused.is_missing() => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Makes an empty blob to append to; refused when one is there.
    pub(super) async fn create(&self, name: &str) -> Result<Etag, Refused> {
        let blob = self.blob(name).append_blob_client();
        let options = AppendBlobClientCreateOptions::default().if_not_exists();
        let create = async { blob.create(Some(options)).await?.etag() };
        self.call(&format!("make {name}"), create).await.map(known)
    }

    /// Appends to a blob that is still in the state `at`. All or nothing, and durable.
    pub(super) async fn append(&self, name: &str, content: Vec<u8>, at: &Etag) -> Result<Etag, Refused> {
        let blob = self.blob(name).append_blob_client();
        let options = AppendBlobClientAppendBlockOptions { if_match: Some(at.clone()), ..Default::default() };
        let length = content.len() as u64;
        let append = async { blob.append_block(RequestContent::from(content), length, Some(options)).await?.etag() };
        self.call(&format!("append to {name}"), append).await.map(known)
    }

    /// Writes a whole blob that is still in the state `at` (`None`: not there), or that is leased by us.
    pub(super) async fn put(&self, name: &str, content: Vec<u8>, on: Condition<'_>) -> Result<Etag, Refused> {
        let mut options = BlockBlobClientUploadOptions::default();
        match on {
            Condition::State(Some(etag)) => options.if_match = Some(etag.clone()),
            Condition::State(None) => options = options.if_not_exists(),
            Condition::Lease(id) => options.lease_id = Some(id.to_owned()),
        }
        let blob = self.blob(name);
        let put = async { Ok(blob.upload(RequestContent::from(content), Some(options)).await?.etag) };
        self.call(&format!("write {name}"), put).await.map(known)
    }

    /// Changes the state of a blob without its content.
    pub(super) async fn touch(&self, name: &str, epoch: u64) -> Result<(), Refused> {
        let metadata = HashMap::from([("epoch".to_owned(), epoch.to_string())]);
        self.call(&format!("fence {name}"), self.blob(name).set_metadata(&metadata, None)).await.map(drop)
    }

    /// The names and lengths of the blobs whose names begin with `under`, by name.
    pub(super) async fn list(&self, under: &str) -> Result<Vec<(String, u64)>, Failure> {
        let options = BlobContainerClientListBlobsOptions {
            prefix: Some(format!("{}{under}", self.prefix)),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let list = async {
            let mut pages = self.container.list_blobs(Some(options))?.into_pages();
            let mut found = Vec::new();
            while let Some(page) = pages.try_next().await? {
                found.extend(page.into_model()?.blob_items.into_iter().filter_map(|item| {
                    let length = item.properties.and_then(|properties| properties.content_length);
                    let name = item.name?.strip_prefix(&self.prefix)?.to_owned();
                    Some((name, length.unwrap_or_default()))
                }));
            }
            Ok(found)
        };
        match self.call("list the runs", list).await {
            Ok(mut found) => {
                found.sort();
                Ok(found)
            }
            Err(refused) if refused.is_missing() => Ok(Vec::new()),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Leases a blob that nobody leases, for 15 to 60 s. Asking again with the same id is the same lease.
    pub(super) async fn lease(&self, name: &str, id: &str, duration: Duration) -> Result<(), Refused> {
        let options = BlobClientAcquireLeaseOptions { proposed_lease_id: Some(id.to_owned()), ..Default::default() };
        let seconds = i32::try_from(duration.as_secs()).unwrap_or(60);
        self.call("take the lock", self.blob(name).acquire_lease(seconds, Some(options))).await.map(drop)
    }

    pub(super) async fn renew(&self, name: &str, id: &str) -> Result<(), Refused> {
        self.call("renew the lock", self.blob(name).renew_lease(id.to_owned(), None)).await.map(drop)
    }

    pub(super) async fn release(&self, name: &str, id: &str) -> Result<(), Refused> {
        self.call("free the lock", self.blob(name).release_lease(id.to_owned(), None)).await.map(drop)
    }

    /// Ends whatever lease a blob has, at once.
    pub(super) async fn break_lease(&self, name: &str) -> Result<(), Refused> {
        let options = BlobClientBreakLeaseOptions { break_period: Some(0), ..Default::default() };
        self.call("break the lock", self.blob(name).break_lease(Some(options))).await.map(drop)
    }
}

/// Under which condition a blob is written.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// It is in this state; `None`: it is not there.
    State(Option<&'a Etag>),
    /// The lease of this id is in force.
    Lease(&'a str),
}

/// The summary of what never got an answer.
const UNREACHABLE: &str = "the storage account cannot be reached";

/// A service that tells no state cannot be written to under a condition; this one never matches.
fn known(etag: Option<Etag>) -> Etag {
    etag.unwrap_or_else(|| Etag::from("\"unknown\""))
}

/// `doing` is what could not be done, as in `cannot read ...`.
pub(super) fn refused(error: &azure_core::Error, doing: &str) -> Refused {
    let ErrorKind::HttpResponse { status, error_code, .. } = error.kind() else {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                return Refused { code: String::new(), status: 0, failure: failure.clone() };
            }
            next = cause.source();
        }
        let why = explain(error).replace("retry policy expired and the request will no longer be retried: ", "");
        let failure = Failure::new(Class::Unreachable, UNREACHABLE).detail(format!("{doing}: {why}")).remedy(
            if is_certificate_error(error) {
                "name the certificate authority of the endpoint in SSL_CERT_FILE"
            } else {
                "check the account's name, its firewall rules and private endpoints"
            },
        );
        return Refused { code: String::new(), status: 0, failure };
    };
    let (status, code) = (u16::from(*status), error_code.clone().unwrap_or_default());
    let detail = if code.is_empty() { format!("HTTP {status}") } else { format!("{code} (HTTP {status})") };
    let failure = meaning(status).detail(format!("{doing}: {detail}"));
    Refused { code, status, failure }
}

/// What an answer of a storage account means, and what would help.
fn meaning(status: u16) -> Failure {
    match status {
        401 => Failure::new(Class::NotSignedIn, "the storage account does not accept the token")
            .remedy("sign in to the tenant of the storage account, with `az login` or a service principal"),
        403 => Failure::new(Class::Forbidden, "not allowed").remedy(
            "assign the role Storage Blob Data Contributor on the container to who runs this, and check the account's \
             firewall",
        ),
        404 => Failure::new(Class::NotFound, "the storage account does not have it")
            .remedy("check the names of the account and the container"),
        409 | 412 => Failure::new(Class::Conflict, "the storage account sees a conflict")
            .remedy("see who else writes here; try again"),
        429 | 500.. => Failure::new(Class::Busy, "the storage account is busy").remedy("try again in a few minutes"),
        _ => Failure::new(Class::Other, "the storage account refused").remedy("check the place of the store"),
    }
}
