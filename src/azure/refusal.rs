//! Refusals: what the Resource Manager says when it does not do something, in either of its two envelopes.

use serde_json::Value;

use crate::model::{Class, Failure};

/// Codes of a server or site that is busy and will not be for long; worth another try after a while.
const BUSY: [&str; 7] = [
    "ServerIsBusy",
    "ServerBusy",
    "ServerIsNotReady",
    "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
    "OperationInProgress",
    "AnotherOperationInProgress",
    "ConcurrentServerOperation",
];

/// A call that Azure refused, or a long-running operation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status; 200 for an operation that failed late.
    pub status: u16,
    /// Azure's code, such as `ResourceNotFound`; empty when there was none.
    pub code: String,
    /// The same for people, and with its class.
    pub failure: Failure,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        refusal.failure
    }
}

impl Refusal {
    /// A failure on our side of the call.
    pub(crate) fn ours(failure: Failure) -> Self {
        Self { status: 0, code: String::new(), failure }
    }

    /// Reads the body of an answer that is not a success. `what` is the call in a few words.
    pub(crate) fn of(what: &str, status: u16, request: Option<&str>, body: &Value) -> Self {
        let (code, message) = code_and_message(body);
        let class = classify(status, &code);
        let mut notes: Vec<String> = Vec::new();
        notes.extend((!code.is_empty()).then(|| format!("code {code}")));
        notes.extend((status >= 300).then(|| format!("HTTP {status}")));
        notes.extend(request.map(|id| format!("x-ms-request-id {id}")));
        let detail = match (message.is_empty(), notes.is_empty()) {
            (true, _) => notes.join(", "),
            (false, true) => message.clone(),
            (false, false) => format!("{message} ({})", notes.join(", ")),
        };
        let headline = headline(class, status, &code, &message);
        // What was asked for stands in the first line, so that a report can show it alone.
        let right = if class == Class::Forbidden { missing_right(&message) } else { None };
        let detail = match right {
            Some((action, scope)) => format!("{action} on {scope}\n{detail}"),
            None if detail.is_empty() => what.to_owned(),
            None => format!("{what}\n{detail}"),
        };
        let failure = Failure { detail: Some(detail), ..headline };
        Self { status, code, failure }
    }

    /// Whether the service is only busy with something else.
    pub fn is_busy(&self) -> bool {
        BUSY.iter().any(|code| self.code.eq_ignore_ascii_case(code))
    }

    /// The code, or the HTTP status where Azure gave none.
    pub(crate) fn what(&self) -> String {
        if self.code.is_empty() { format!("HTTP {}", self.status) } else { self.code.clone() }
    }

    /// Whether the thing asked for is not there.
    pub fn is_not_found(&self) -> bool {
        self.failure.class == Class::NotFound
    }
}

/// Code and message of `{"error":{code,message,details}}`, of App Service's `{"Code","Message","Details"}`, or of a
/// bare `{code,message}`; the first detail that says more is added.
fn code_and_message(body: &Value) -> (String, String) {
    let error = if body["error"].is_object() { &body["error"] } else { body };
    let text = |value: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| value[*name].as_str()).unwrap_or_default().trim().to_owned()
    };
    let code = text(error, ["code", "Code"]);
    let mut message = text(error, ["message", "Message"]);
    let details = if error["details"].is_array() { &error["details"] } else { &error["Details"] };
    for detail in details.as_array().into_iter().flatten() {
        let more = text(detail, ["message", "Message"]);
        if !more.is_empty() && !message.contains(&more) {
            let join = if message.is_empty() { "" } else { ": " };
            message = format!("{message}{join}{more}");
        }
    }
    let extended = &details[2]["ErrorEntity"]["ExtendedCode"];
    if let Some(extended) = extended.as_str() {
        message = format!("{message} [extended code {extended}]");
    }
    (code, message)
}

fn classify(status: u16, code: &str) -> Class {
    if BUSY.iter().any(|busy| busy.eq_ignore_ascii_case(code)) {
        return Class::Busy;
    }
    match code {
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => return Class::Forbidden,
        "ExpiredAuthenticationToken" | "InvalidAuthenticationToken" => return Class::NotSignedIn,
        "UpsertServerManagementOperationComputeOnlySupportForStoppedServer" => return Class::Busy,
        _ => {}
    }
    match status {
        401 => Class::NotSignedIn,
        403 => Class::Forbidden,
        404 => Class::NotFound,
        429 | 503 => Class::Busy,
        409 | 412 => Class::Conflict,
        _ => Class::Other,
    }
}

/// The action and the scope that a message about rights names. A linked refusal names first what is allowed.
fn missing_right(message: &str) -> Option<(&str, &str)> {
    let action = quoted(message, "action(s) '").or_else(|| quoted(message, "action '"))?;
    Some((action, quoted(message, "linked scope(s) '").or_else(|| quoted(message, "scope '"))?))
}

fn headline(class: Class, status: u16, code: &str, message: &str) -> Failure {
    match class {
        Class::NotSignedIn => Failure::new(class, "Azure does not accept the token")
            .remedy("sign in again, for example with `az login`, and check the tenant"),
        Class::Forbidden => Failure::new(class, "not allowed").remedy(match missing_right(message) {
            Some((action, scope)) => {
                format!("grant a role with the action {action} on {scope}; a new grant takes some minutes")
            }
            None => "grant the missing role; a new grant takes some minutes".to_owned(),
        }),
        Class::NotFound => Failure::new(class, "Azure does not know it")
            .remedy("check the name, the resource group and the subscription in the plan file"),
        Class::Busy if code == "UpsertServerManagementOperationComputeOnlySupportForStoppedServer" => {
            Failure::new(class, "the server is stopped")
                .remedy("start it with `az postgres flexible-server start -g GROUP -n NAME`")
        }
        Class::Busy => Failure::new(class, "Azure is busy").remedy("try again in a few minutes"),
        Class::Conflict => {
            Failure::new(class, "Azure sees a conflict").remedy("look at what else changes it, and plan again")
        }
        _ if status >= 500 => Failure::new(class, "Azure cannot answer")
            .remedy("try again in a few minutes; if it stays so, look at the service health in the portal"),
        _ => Failure::new(class, "Azure refused").remedy("mend what Azure names, and plan again"),
    }
}

/// An answer of another shape than Azure documents.
pub(crate) fn answer_unclear(detail: String) -> Failure {
    Failure::new(Class::Other, "Azure's answer cannot be understood")
        .detail(detail)
        .remedy("run the same command again; if it stays so, look for a newer version of pgentra")
}

/// The text between `before` and the next single quote.
fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once('\'').map(|(text, _)| text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Refusal;
    use crate::model::Class;
    use serde_json::json;

    #[test]
    fn the_resource_manager_envelope_is_read() {
        let body = json!({ "error": { "code": "ResourceNotFound", "message": "The Resource was not found." } });
        let refusal = Refusal::of("GET sites/app", 404, Some("r-1"), &body);
        assert_eq!(refusal.failure.class, Class::NotFound);
        assert_eq!(refusal.failure.summary, "Azure does not know it");
        assert_eq!(
            refusal.failure.detail.unwrap(),
            "GET sites/app\nThe Resource was not found. (code ResourceNotFound, HTTP 404, x-ms-request-id r-1)"
        );
    }

    #[test]
    fn the_older_envelope_of_app_service_is_read() {
        let body = json!({
            "Code": "BadRequest", "Message": "Site.FunctionAppConfig is invalid.", "Target": null,
            "Details": [
                { "Message": "Site.FunctionAppConfig is invalid." }, { "Code": "BadRequest" },
                { "ErrorEntity": { "ExtendedCode": "51021", "Code": "BadRequest" } },
            ],
        });
        let refusal = Refusal::of("PATCH sites/app", 400, None, &body);
        assert_eq!((refusal.code.as_str(), refusal.failure.class), ("BadRequest", Class::Other));
        assert_eq!(
            refusal.failure.detail.unwrap(),
            "PATCH sites/app\nSite.FunctionAppConfig is invalid. [extended code 51021] (code BadRequest, HTTP 400)"
        );
    }

    #[test]
    fn a_missing_right_names_action_and_scope() {
        let message = "The client 'c' with object id 'o' does not have authorization to perform action \
                       'Microsoft.Web/sites/write' over scope '/subscriptions/s/x' or the scope is invalid.";
        let body = json!({ "error": { "code": "AuthorizationFailed", "message": message } });
        let failure = Refusal::of("PATCH sites/app", 403, None, &body).failure;
        assert_eq!(failure.class, Class::Forbidden);
        assert_eq!(failure.summary, "not allowed");
        assert_eq!(failure.first_cause(), "Microsoft.Web/sites/write on /subscriptions/s/x");
    }

    #[test]
    fn busy_codes_are_busy_whatever_their_status() {
        let code = "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible";
        for status in [200, 400, 409] {
            let refusal = Refusal::of("PUT x", status, None, &json!({ "error": { "code": code, "message": "m" } }));
            assert!(refusal.is_busy() && refusal.failure.class == Class::Busy, "{status}");
        }
        let other = Refusal::of("PUT x", 409, None, &json!({ "error": { "code": "Conflict", "message": "m" } }));
        assert!(!other.is_busy());
        assert_eq!(other.failure.class, Class::Conflict);
    }

    #[test]
    fn a_body_of_another_shape_still_gives_the_status() {
        let refusal = Refusal::of("GET x", 502, Some("r"), &json!("Bad Gateway"));
        assert_eq!(refusal.failure.detail.unwrap(), "GET x\nHTTP 502, x-ms-request-id r");
    }
}
