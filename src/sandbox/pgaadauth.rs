//! The mapping of a role to an Entra principal, and whether a token is good for it, in Azure's own words.

use super::claims::{Claims, TokenFault};
use super::database::PrincipalType;

/// The audience of tokens that PostgreSQL takes.
pub const AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";

/// Why a sign-in is refused: what PostgreSQL's ErrorResponse says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The hint, where Azure gives one.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: None }
    }

    /// What PostgreSQL answers to a wrong password, an unknown role, or a way of signing in that is off.
    pub fn password(role: &str) -> Self {
        Self::new("28P01", format!("password authentication failed for user \"{role}\""))
    }
}

/// The content of a label of provider `pgaadauth`: `aadauth,oid=<object id>,type=service[,admin][,mfa]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Object id of the principal.
    pub object_id: String,
    /// What kind of principal it is.
    pub principal: PrincipalType,
    /// Whether the role may map other roles.
    pub admin: bool,
}

impl Label {
    /// Reads a label; `None` when it is not one of pgaadauth.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(str::trim);
        if parts.next() != Some("aadauth") {
            return None;
        }
        let (mut object_id, mut principal, mut admin) = (None, PrincipalType::User, false);
        for part in parts {
            match part.split_once('=') {
                Some(("oid", id)) => object_id = Some(id.to_owned()),
                Some(("type", "user")) => principal = PrincipalType::User,
                Some(("type", "group")) => principal = PrincipalType::Group,
                Some(("type", "service")) => principal = PrincipalType::Service,
                None if part == "admin" => admin = true,
                None if part == "mfa" => {}
                _ => return None,
            }
        }
        Some(Self { object_id: object_id?, principal, admin })
    }

    /// Whether the principal of `claims` may sign in to `role`.
    ///
    /// # Errors
    /// Azure's text. The one for a person whose object id is another is not on record: it is the one for applications.
    pub fn admit(&self, role: &str, claims: &Claims) -> Result<(), Refusal> {
        let same = |id: &str| id.eq_ignore_ascii_case(&self.object_id);
        if self.principal == PrincipalType::Group {
            if claims.groups.iter().any(|group| same(group)) {
                return Ok(());
            }
            let id = &self.object_id;
            let text = format!("Azure AD access token not valid for role {role} (does not contain group ID {id})");
            let hint = "Did you specify the correct user name and access token?";
            return Err(Refusal { hint: Some(hint.to_owned()), ..Refusal::new("28000", text) });
        }
        let app_role = self.principal == PrincipalType::Service;
        if app_role && !claims.is_app {
            let text = "Service principals cannot generate AAD_AUTH_TOKENTYPE_APP_USER tokens for role";
            return Err(Refusal::new("28000", format!("{text} \"{role}\".")));
        }
        if !app_role && claims.is_app {
            return Err(Refusal::new(
                "28000",
                format!(
                    "Microsoft Entra user token for role \"{role}\" is neither an AAD_AUTH_TOKENTYPE_APP_USER or an \
                     AAD_AUTH_TOKENTYPE_APP_OBO token."
                ),
            ));
        }
        let app_id = claims.app_id.as_deref().unwrap_or_default();
        if same(&claims.object_id) || (app_role && same(app_id)) {
            return Ok(());
        }
        Err(Refusal::new(
            "28000",
            format!(
                "Service principal oid mismatch for role \"The oid in the security label [{}] does not match the appid \
                 [{app_id}] or oid [{}] in the token.\"",
                self.object_id, claims.object_id
            ),
        ))
    }
}

/// What Azure answers to a token that is no good for anybody.
pub fn fault(fault: &TokenFault) -> Refusal {
    Refusal::new(
        "28000",
        match fault {
            TokenFault::Format => {
                "The access token has invalid format. Please ensure the token is passed exactly as returned by the \
                 authentication endpoint and retry."
                    .to_owned()
            }
            TokenFault::Expired => "The access token has expired. Please acquire a new token and retry.".to_owned(),
            TokenFault::Audience => format!(
                "The access token does not have a valid audience claim. Please acquire a new token for the resource \
                 \"{AUDIENCE}\"."
            ),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::claims::Claims;
    use super::super::database::PrincipalType;
    use super::Label;

    fn claims(is_app: bool) -> Claims {
        Claims {
            audience: super::AUDIENCE.into(),
            object_id: "11111111-1111-1111-1111-111111111111".into(),
            app_id: is_app.then(|| "22222222-2222-2222-2222-222222222222".into()),
            tenant: "t".into(),
            is_app,
            groups: ["33333333-3333-3333-3333-333333333333".to_owned()].into(),
        }
    }

    fn label(digit: char, principal: PrincipalType) -> Label {
        let id = "dddddddd-dddd-dddd-dddd-dddddddddddd".replace('d', &digit.to_string());
        Label { object_id: id, principal, admin: false }
    }

    #[test]
    fn labels_are_read() {
        let read = Label::parse("aadauth,oid=abc,type=service,admin").unwrap();
        assert_eq!(read, Label { object_id: "abc".into(), principal: PrincipalType::Service, admin: true });
        assert!(!Label::parse("aadauth,oid=abc,type=group,mfa").unwrap().admin);
        for text in ["", "aadauth", "aadauth,type=user", "other,oid=a,type=user", "aadauth,oid=a,type=robot"] {
            assert_eq!(Label::parse(text), None, "{text}");
        }
    }

    #[test]
    fn tokens_fit_their_roles_alone() {
        use PrincipalType::{Group, Service, User};
        let admits = |digit, principal, is_app| label(digit, principal).admit("r", &claims(is_app)).is_ok();
        assert!(admits('1', Service, true) && admits('2', Service, true) && admits('1', User, false));
        assert!(admits('3', Group, true) && admits('3', Group, false));
        assert!(!admits('4', Service, true) && !admits('4', User, false) && !admits('1', Group, false));
        assert!(!admits('1', Service, false) && !admits('1', User, true));
    }

    #[test]
    fn refusals_speak_as_azure_does() {
        let said = label('4', PrincipalType::Service).admit("r", &claims(true)).unwrap_err().message;
        assert_eq!(
            said,
            "Service principal oid mismatch for role \"The oid in the security label \
             [44444444-4444-4444-4444-444444444444] does not match the appid [22222222-2222-2222-2222-222222222222] or \
             oid [11111111-1111-1111-1111-111111111111] in the token.\""
        );
    }
}
