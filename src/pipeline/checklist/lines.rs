//! The lines of the checklist and of the success criteria, and what each is judged by.

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// The part of the checklist.
    pub section: &'static str,
    /// What has to be so.
    pub text: &'static str,
    /// Whether the migration is complete without it.
    pub optional: bool,
    /// What shows it.
    pub(super) by: By,
}

/// What shows a line.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// All resources of these kinds are as wanted.
    Kinds(&'static [&'static str]),
    /// The app's identity gives a principal id.
    Principal,
    /// The apps have this setting as wanted.
    Setting(&'static str),
    /// The settings that have to be there are there.
    Required,
    /// All HTTP checks with one of these words in their path pass.
    Check(&'static [&'static str]),
    /// The check that is followed up passed when it was last observed.
    Job,
    /// The effective privileges could be asked for.
    Asked,
    /// The effective privileges are complete.
    Privileges,
    /// A token was got, inside the window of observations.
    FreshToken,
    /// Nothing failed for this many hours, without a gap in what the log sensors cover.
    Quiet(i64),
    /// The window of observations is as long as the validation asks for.
    Window,
    /// No fallback to the password was logged.
    NoFallback,
    /// All probes of the newest observation passed.
    Probes,
    /// No app holds a password any more.
    PasswordGone,
    /// A person.
    Person,
}

const fn line(section: &'static str, text: &'static str, by: By) -> Line {
    Line { section, text, optional: false, by }
}

const AZURE: &str = "Azure infrastructure";
const POSTGRES: &str = "PostgreSQL setup";
const APP: &str = "App configuration";
const TESTING: &str = "Testing";
const VALIDATION: &str = "Validation period";
const CLEANUP: &str = "Cleanup";
const SUCCESS: &str = "Success criteria";

/// Every line, in the guide's order.
pub const LINES: &[Line] = &[
    line(AZURE, "Enabled managed identity on the app", By::Kinds(&["app_identity"])),
    line(AZURE, "Verified identity exists (captured principal id)", By::Principal),
    line(AZURE, "Identity shows in Azure Portal", By::Principal),
    line(POSTGRES, "Connected to PostgreSQL as Entra administrator", By::Kinds(&["server_auth", "server_admin"])),
    line(POSTGRES, "Ran the setup: role and grants", By::Kinds(&["database_role", "database_grants"])),
    line(POSTGRES, "Ran the verification of permissions", By::Asked),
    line(POSTGRES, "All permission checks show YES", By::Privileges),
    line(APP, "Added USE_MANAGED_IDENTITY", By::Setting("USE_MANAGED_IDENTITY")),
    line(APP, "Added MANAGED_IDENTITY_NAME", By::Setting("MANAGED_IDENTITY_NAME")),
    line(APP, "Verified existing PostgreSQL connection variables present", By::Required),
    line(APP, "Deployed updated code", By::Kinds(&["deployment"])),
    line(TESTING, "Health endpoint returns connected with managed identity", By::Check(&["health"])),
    line(TESTING, "Database stats endpoint returns data", By::Check(&["stats", "/db"])),
    line(TESTING, "Test job submission succeeds", By::Job),
    line(TESTING, "Application Insights shows successful token acquisition", By::FreshToken),
    line(TESTING, "No errors in logs for 1 hour (token expiration test)", By::Quiet(1)),
    line(VALIDATION, "Monitor daily for authentication errors", By::Window),
    line(VALIDATION, "Verify no fallback to password authentication", By::NoFallback),
    line(VALIDATION, "Check token refresh happening", By::FreshToken),
    line(VALIDATION, "All workflows working", By::Probes),
    line(CLEANUP, "Remove the password from Azure config", By::PasswordGone),
    line(CLEANUP, "Update documentation to reflect managed identity as primary", By::Person),
    Line {
        section: CLEANUP,
        text: "Remove password fallback code (after high confidence)",
        optional: true,
        by: By::Person,
    },
    line(SUCCESS, "Zero authentication errors for the whole period", By::Window),
    line(SUCCESS, "No password fallbacks in logs", By::NoFallback),
    line(SUCCESS, "All endpoints functional", By::Probes),
    line(SUCCESS, "Token refresh working", By::FreshToken),
    line(SUCCESS, "Local development working with az login", By::Person),
    line(SUCCESS, "Monitoring in place", By::Person),
];
