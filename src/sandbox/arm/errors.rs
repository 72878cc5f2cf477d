//! Resource Manager's refusals in Azure's words, in both of its error shapes.

use serde_json::json;

use crate::sandbox::call::Reply;

/// `{"error":{"code","message"}}`.
pub fn error(status: u16, code: &str, message: impl Into<String>) -> Reply {
    Reply::json(status, json!({"error": {"code": code, "message": message.into()}}))
        .with("x-ms-failure-cause", "gateway")
}

/// App Service's own older shape, with upper-case names.
pub fn app_service(status: u16, code: &str, extended: &str, message: impl Into<String>) -> Reply {
    let message = message.into();
    Reply::json(
        status,
        json!({"Code": code, "Message": message, "Target": null, "Innererror": null,
        "Details": [{"Message": message}, {"Code": code}, {"ErrorEntity": {"ExtendedCode": extended,
            "MessageTemplate": message, "Parameters": [], "Code": code, "Message": message}}]}),
    )
}

/// 404 for a resource that is not there; `resource` is `type/name` as Azure writes it.
pub fn not_found(resource: &str, group: &str) -> Reply {
    error(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{resource}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

/// 404 for a path of a known resource that the emulator does not have.
pub fn no_route(path: &str) -> Reply {
    error(404, "ResourceNotFound", format!("The sandbox has nothing at '{path}'."))
}

/// 404 for a resource type that the emulator does not have.
pub fn no_type(kind: &str) -> Reply {
    error(
        404,
        "InvalidResourceType",
        format!("The resource type '{kind}' could not be found in the sandbox's resource providers."),
    )
}

/// 409 while a server cannot take administrator operations.
pub fn not_accessible(server: &str) -> Reply {
    error(
        409,
        "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
        format!(
            "The server '{server}' is not in an accessible state to perform Azure AD Principal operation. Please make sure the server is accessible before executing Azure AD Principal operations."
        ),
    )
}

/// 409 while Entra authentication is off.
pub fn entra_off(server: &str) -> Reply {
    error(
        409,
        "AadAuthOperationCannotBePerformedWhenAadAuthIsDisabled",
        format!(
            "Azure AD authentication is not enabled for the server '{server}'. Please enable it before executing Azure AD Principal operations."
        ),
    )
}

/// 409 while a server works on something else.
pub fn busy(server: &str) -> Reply {
    error(
        409,
        "ServerIsBusy",
        format!(
            "Cannot complete operation while server '{server}' is busy processing another operation. Please try again later."
        ),
    )
}

/// 401 without a token that is good for Resource Manager.
pub fn unauthorized(authority: &str, tenant: &str, code: &str, message: &str) -> Reply {
    error(401, code, message).with(
        "www-authenticate",
        format!(
            "Bearer authorization_uri=\"{authority}/{tenant}\", error=\"invalid_token\", error_description=\"{message}\""
        ),
    )
}
