//! Tests of the credential chain: what is tried, what is said, and how soon.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::azure::{Choice, Credential, Tokens, http_client, sign_in};
use crate::model::{Class, Endpoints, Failure};

const GUID: &str = "11111111-2222-3333-4444-555555555555";

fn tokens(choice: Choice, authority: &str, variables: &[(&str, &str)]) -> Result<Tokens, Failure> {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let endpoints = Endpoints {
        authority: authority.to_owned(),
        resource_manager: "https://arm.test".into(),
        resource_manager_audience: "https://arm.test".into(),
        postgres_audience: "https://ossrdbms.test".into(),
    };
    let http = http_client(&BTreeMap::new()).unwrap();
    sign_in(choice, &endpoints, None, &variables, &http)
}

async fn failure(choice: Choice, authority: &str, variables: &[(&str, &str)]) -> Failure {
    tokens(choice, authority, variables).unwrap().token("https://arm.test").await.unwrap_err()
}

fn service_principal(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let own = [("AZURE_TENANT_ID", GUID), ("AZURE_CLIENT_ID", GUID), ("AZURE_CLIENT_SECRET", "s3cret-of-the-test")];
    own.iter().chain(extra).copied().collect()
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let only = |credential| Choice::Only(credential);
    let authority = "https://login.test";
    let detail = failure(only(Credential::Environment), authority, &[]).await.detail.unwrap();
    assert_eq!(detail, "environment: AZURE_CLIENT_SECRET is not set");
    let certificate = [("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem")];
    let detail = failure(only(Credential::Environment), authority, &certificate).await.detail.unwrap();
    assert!(detail.contains("client certificates are not supported"), "{detail}");
    let job = [("GITHUB_ACTIONS", "true")];
    let detail = failure(only(Credential::WorkloadIdentity), authority, &job).await.detail.unwrap();
    assert!(detail.contains("id-token: write"), "{detail}");
    let file = [("AZURE_FEDERATED_TOKEN_FILE", "/f")];
    let detail = failure(only(Credential::WorkloadIdentity), authority, &file).await.detail.unwrap();
    assert_eq!(detail, "workload-identity: AZURE_TENANT_ID is not set");
}

#[tokio::test]
async fn a_closed_port_fails_within_seconds_and_ends_the_search() {
    let start = Instant::now();
    let failure = failure(Choice::Automatic, "https://127.0.0.1:1", &service_principal(&[])).await;
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert_eq!(failure.class, Class::NotSignedIn);
    let detail = failure.detail.unwrap();
    let lines: Vec<&str> = detail.lines().collect();
    assert_eq!(lines.len(), 5, "{detail}");
    assert!(lines[0].starts_with("environment: ") && lines[0].contains("refused"), "{detail}");
    assert_eq!(lines[3], "azure-cli: not tried, because AZURE_CLIENT_SECRET is set");
    assert!(!detail.contains("s3cret-of-the-test") && !detail.contains("aka.ms"), "{detail}");
}

#[tokio::test]
async fn the_authority_comes_from_the_environment_first_and_has_to_be_https() {
    let host = [("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1/")];
    let detail = failure(Choice::Automatic, "https://login.test", &service_principal(&host)).await.detail.unwrap();
    assert!(detail.contains("refused"), "{detail}");
    let host = [("AZURE_AUTHORITY_HOST", "http://login.test")];
    let refused = tokens(Choice::Automatic, "https://login.test", &host).err().unwrap();
    assert_eq!(refused.class, Class::Input);
}

#[tokio::test]
async fn no_virtual_machine_is_noticed_at_once() {
    let start = Instant::now();
    let choice = Choice::Only(Credential::ManagedIdentity);
    let detail = failure(choice, "https://login.test", &[]).await.detail.unwrap();
    assert!(detail.starts_with("managed-identity: "), "{detail}");
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn choices_have_names() {
    for credential in Credential::ALL {
        assert_eq!(credential.name().parse(), Ok(Choice::Only(credential)));
    }
    assert!("azure".parse::<Choice>().unwrap_err().contains("azure-cli"));
}
