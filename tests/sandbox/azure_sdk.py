"""Uses the sandbox through the Azure SDK for Python and psycopg as they are; ends with an error at the first surprise."""

import json
import os
import ssl
import urllib.request

import psycopg
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.postgresqlflexibleservers import models as pg
from azure.mgmt.web import WebSiteManagementClient
from azure.mgmt.web.models import (
    ManagedServiceIdentity,
    SitePatchResource,
    SlotConfigNamesResource,
    StringDictionary,
)

ENV = os.environ
BASE = ENV["PGENTRA_SANDBOX_URL"]
TENANT = ENV["AZURE_TENANT_ID"]
SUBSCRIPTION = ENV["AZURE_SUBSCRIPTION_ID"]
GROUP, APP, SERVER = "rmhazure_rg", "rmhazuregeoapi", "rmhpgflex"
POSTGRES = "https://ossrdbms-aad.database.windows.net/.default"
DEPLOYERS = "33333333-3333-4333-8333-333333333333"
ENTRA = {"authority": BASE, "disable_instance_discovery": True}


def control(path, body):
    """A call of the sandbox's control endpoint."""
    request = urllib.request.Request(
        f"{BASE}/_sandbox/{path}", json.dumps(body).encode(), {"x-sandbox": "1"}, method="POST"
    )
    context = ssl.create_default_context(cafile=ENV["SSL_CERT_FILE"])
    with urllib.request.urlopen(request, context=context) as answer:
        data = answer.read()
    return json.loads(data) if data else None


def named(module, *names):
    """A model under the first of its names that this release of the SDK has."""
    return next(getattr(module, name) for name in names if hasattr(module, name))


def sites(web):
    """Identity, settings and sticky names of the app and its slot; answers the app's object id."""
    apps = web.web_apps
    assert apps.get(GROUP, APP).identity is None
    patch = SitePatchResource(identity=ManagedServiceIdentity(type="SystemAssigned"))
    identity = apps.update(GROUP, APP, patch).identity
    assert identity.tenant_id == TENANT
    assert apps.get(GROUP, APP).identity.principal_id == identity.principal_id
    slot = apps.update_slot(GROUP, APP, "staging", patch)
    assert slot.name == f"{APP}/staging" and slot.identity.principal_id != identity.principal_id
    assert [one.name for one in apps.list_slots(GROUP, APP)] == [f"{APP}/staging"]
    settings = apps.list_application_settings(GROUP, APP).properties
    settings["SDK"] = "1"
    written = apps.update_application_settings(GROUP, APP, StringDictionary(properties=settings))
    assert written.properties == settings
    assert not apps.list_slot_configuration_names(GROUP, APP).app_setting_names
    names = SlotConfigNamesResource(app_setting_names=["SDK"])
    assert apps.update_slot_configuration_names(GROUP, APP, names).app_setting_names == ["SDK"]
    try:
        apps.get(GROUP, "nothing")
        raise AssertionError("there is no such app")
    except HttpResponseError as error:
        assert error.status_code == 404 and error.error.code == "ResourceNotFound", error
    return identity.principal_id


def servers(client):
    """Entra authentication and an administrator; answers the server's host."""
    patch = named(pg, "ServerForPatch", "ServerForUpdate")
    auth = named(pg, "AuthConfigForPatch", "AuthConfig")
    wanted = auth(active_directory_auth="Enabled", password_auth="Enabled", tenant_id=TENANT)
    client.servers.begin_update(GROUP, SERVER, patch(auth_config=wanted)).result()
    server = client.servers.get(GROUP, SERVER)
    assert server.auth_config.active_directory_auth == "Enabled" and server.state == "Ready"
    admins = named(client, "administrators_microsoft_entra", "administrators")
    add = named(pg, "AdministratorMicrosoftEntraAdd", "ActiveDirectoryAdministratorAdd")
    body = add(principal_type="Group", principal_name="pg-deployers", tenant_id=TENANT)
    create = named(admins, "begin_create_or_update", "begin_create")
    assert create(GROUP, SERVER, DEPLOYERS, body).result().principal_name == "pg-deployers"
    assert [one.object_id for one in admins.list_by_server(GROUP, SERVER)] == [DEPLOYERS]
    assert [one.name for one in client.databases.list_by_server(GROUP, SERVER)] == ["geopgflex", "postgres"]
    return server.fully_qualified_domain_name


def login(host, user, token):
    """Signs in to PostgreSQL with a token as the password."""
    options = {"sslmode": "verify-full", "sslrootcert": ENV["PGSSLROOTCERT"]}
    with psycopg.connect(host=host, dbname="postgres", user=user, password=token, **options) as session:
        return session.execute("SELECT session_user::text").fetchone()[0]


def refused(host, user, token):
    """Why a token is not taken."""
    try:
        login(host, user, token)
    except psycopg.OperationalError as error:
        return str(error)
    raise AssertionError(f"{user} was let in")


def identities(principal):
    """Each credential of azure-identity."""
    secret = ENV["AZURE_CLIENT_SECRET"]
    assert EnvironmentCredential(**ENTRA).get_token(POSTGRES).token
    assert DefaultAzureCredential(**ENTRA).get_token(POSTGRES).token
    claim = {"issuer": "https://ci.test", "subject": "job", "audience": "api://AzureADTokenExchange"}
    control("federated", {**claim, "client_id": ENV["AZURE_CLIENT_ID"]})
    with open("assertion", "w", encoding="utf-8") as file:
        file.write(control("assertion", claim)["value"])
    federated = WorkloadIdentityCredential(token_file_path="assertion", **ENTRA)
    assert federated.get_token(POSTGRES).token
    # A virtual machine's identity, by AZURE_POD_IDENTITY_AUTHORITY_HOST; then the app's own.
    assert ManagedIdentityCredential().get_token(POSTGRES).token
    ENV["IDENTITY_ENDPOINT"] = ENV["PGENTRA_SANDBOX_IDENTITY_ENDPOINT"]
    ENV["IDENTITY_HEADER"] = ENV["PGENTRA_SANDBOX_IDENTITY_HEADER"]
    app = ManagedIdentityCredential().get_token(POSTGRES)
    assert app.token != control("token", {"object_id": principal})["access_token"]
    try:
        ManagedIdentityCredential(client_id="99999999-3333-4333-8333-333333333333").get_token(POSTGRES)
        raise AssertionError("there is no such identity")
    except ClientAuthenticationError as error:
        assert "No managed identity found" in str(error), error
    try:
        ClientSecretCredential(TENANT, ENV["AZURE_CLIENT_ID"], secret + "x", **ENTRA).get_token(POSTGRES)
        raise AssertionError("that is not the secret")
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in str(error), error


def main():
    """All of it."""
    credential = ClientSecretCredential(TENANT, ENV["AZURE_CLIENT_ID"], ENV["AZURE_CLIENT_SECRET"], **ENTRA)
    own = {"base_url": BASE, "credential_scopes": [f"{BASE}/.default"]}
    principal = sites(WebSiteManagementClient(credential, SUBSCRIPTION, **own))
    host = servers(PostgreSQLManagementClient(credential, SUBSCRIPTION, **own))
    token = credential.get_token(POSTGRES).token
    assert login(host, "pg-deployers", token) == "pg-deployers"
    management = credential.get_token(f"{BASE}/.default").token
    assert "valid audience claim" in refused(host, "pg-deployers", management)
    assert "does not contain group ID" in refused(
        host, "pg-deployers", control("token", {"object_id": principal})["access_token"]
    )
    identities(principal)
    control("knobs", {"clock_shift": 4000})
    assert "The access token has expired." in refused(host, "pg-deployers", token)
    control("knobs", {"clock_shift": 0})
    print("all as expected")


main()
