//! Symptoms of a server: whether it can be reached, takes tokens, and tells the right time.

use std::net::Ipv4Addr;

use super::commands::{apply, az_server, pgentra};
use super::facts::{Facts, FirewallRule, ServerFacts, SiteFacts};
use super::rules::{Found, Rule};
use crate::evidence::TOLERANCE;
use crate::model::{Class, Failure, Tls, moment};

pub(super) const FIREWALL: Rule = Rule {
    id: "firewall",
    title: "The network does not let a client in",
    seen_as: "\"no pg_hba.conf entry for host\", a refused connection, or a timeout",
    looks_at: "the server's public access and firewall rules, the app's outbound addresses, and pgentra's own way in",
    remedy: "`az postgres flexible-server firewall-rule create`, or a private endpoint or network",
    find: firewall,
};

pub(super) const NOT_READY: Rule = Rule {
    id: "server-not-ready",
    title: "The server is not ready",
    seen_as: "refused connections; \"ServerIsBusy\" from Azure",
    looks_at: "the server's `state` in Resource Manager",
    remedy: "`az postgres flexible-server start`, or wait until its operation is over",
    find: not_ready,
};

pub(super) const TLS: Rule = Rule {
    id: "tls",
    title: "TLS is off, unchecked, or not trusted",
    seen_as: "\"no pg_hba.conf entry ..., no encryption\", or a certificate that cannot be verified",
    looks_at: "the server parameter `require_secure_transport`, the app's sslmode settings, pgentra's own handshake",
    remedy: "`az postgres flexible-server parameter set --name require_secure_transport --value ON`; sslmode `require` or stricter",
    find: tls,
};

pub(super) const ENTRA_OFF: Rule = Rule {
    id: "entra-off",
    title: "The server takes no Entra tokens",
    seen_as: "\"password authentication failed for user\" for every token",
    looks_at: "the server's `authConfig`, and whether it has an Entra administrator",
    remedy: "`pgentra apply --only server_auth.NAME`, which restarts the server",
    find: entra_off,
};

pub(super) const NOT_LET_IN: Rule = Rule {
    id: "not-let-in",
    title: "The server does not let pgentra in",
    seen_as: "pgentra itself cannot look into the database",
    looks_at: "pgentra's own way to sign in, and the server's Entra administrators",
    remedy: "make who runs pgentra an Entra administrator, or a member of the group that is one",
    find: not_let_in,
};

pub(super) const CLOCK: Rule = Rule {
    id: "clock",
    title: "A clock is wrong",
    seen_as: "tokens that have expired or are not valid yet; evidence without a time that counts",
    looks_at: "the database server's clock, Azure's `Date` header, and the clock of this machine",
    remedy: "turn on time synchronisation on this machine",
    find: clock,
};

fn subject(server: &ServerFacts) -> String {
    format!("server {}", server.id.server)
}

fn says(failure: &Failure, words: &[&str]) -> bool {
    let text = failure.to_string().to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// What kept pgentra out, when it was the network and not TLS.
fn unreachable(server: &ServerFacts) -> Option<&Failure> {
    let failure = server.refused.as_ref()?;
    let hba = says(failure, &["pg_hba.conf"]) && !says(failure, &["no encryption"]);
    (hba || (failure.class == Class::Unreachable && !says(failure, &["tls", "certificate"]))).then_some(failure)
}

fn firewall(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for server in facts.servers.iter().filter(|server| server.state.eq_ignore_ascii_case("Ready")) {
        let (own, apps) = (unreachable(server), shut_out(facts, server));
        if own.is_none() && apps.is_empty() {
            continue;
        }
        let cause = match server.public {
            Some(false) => "it can be reached through its private network only",
            _ if own.is_some_and(|own| says(own, &["resolve", "lookup", "dns"])) => {
                "its name does not resolve from here"
            }
            _ => "its firewall lets only some addresses in",
        };
        let rules = server.firewall.as_ref().map(|rules| {
            let shown = rules.iter().map(|rule| format!("{} to {}", rule.from, rule.to)).collect::<Vec<_>>();
            format!("its firewall rules: {}", if shown.is_empty() { "none".to_owned() } else { shown.join(", ") })
        });
        let fix = if server.public == Some(false) {
            "# run this command inside the server's network, for example on a runner in its VNet".to_owned()
        } else {
            let address = apps.first().map_or("ADDRESS", |(_, address)| address);
            let range = format!(" --rule-name client --start-ip-address {address} --end-ip-address {address}");
            az_server(&server.id, "firewall-rule create", "-n", &range)
        };
        found.push(
            Found::symptom(subject(server), cause)
                .seen(own.map(|own| format!("from here: {own}")))
                .seen(apps.iter().map(|(app, address)| format!("{app} comes from {address}, which no rule covers")))
                .seen(rules)
                .fix([fix]),
        );
    }
    found
}

/// Apps whose outbound addresses no rule covers, with the first such address.
fn shut_out<'a>(facts: &'a Facts, server: &ServerFacts) -> Vec<(String, &'a str)> {
    let Some(rules) = server.firewall.as_ref().filter(|_| server.public == Some(true)) else { return Vec::new() };
    let covers = |address: &str, rule: &FirewallRule| {
        let number = |text: &str| text.parse::<Ipv4Addr>().ok().map(u32::from);
        // The range 0.0.0.0 alone lets in everything inside Azure.
        let azure = rule.from == "0.0.0.0" && rule.to == "0.0.0.0";
        let inside = || Some(number(&rule.from)? <= number(address)? && number(address)? <= number(&rule.to)?);
        azure || inside() == Some(true)
    };
    let out = |site: &'a SiteFacts| {
        let address = site.outbound.iter().find(|address| !rules.iter().any(|rule| covers(address, rule)))?;
        Some((site.id.to_string(), address.as_str()))
    };
    facts.sites.iter().filter_map(out).collect()
}

fn not_ready(facts: &Facts) -> Vec<Found> {
    let away = facts.servers.iter().filter(|server| server.seen && !server.state.eq_ignore_ascii_case("Ready"));
    away.map(|server| {
        let stopped = ["Stopped", "Disabled"].iter().any(|word| server.state.eq_ignore_ascii_case(word));
        let fix = if stopped {
            az_server(&server.id, "start", "-n", "")
        } else {
            format!("# wait until it is over, then: {}", pgentra(facts, "doctor", &[]))
        };
        let cause = if stopped { "somebody stopped it" } else { "an operation on it is under way" };
        Found::symptom(subject(server), cause)
            .seen([format!("Resource Manager says state {}", server.state)])
            .seen(server.refused.iter().map(|failure| format!("from here: {failure}")))
            .fix([fix])
    })
    .collect()
}

fn tls(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for server in &facts.servers {
        if server.secure_transport.as_deref().is_some_and(|value| value.eq_ignore_ascii_case("off")) {
            let more = " --name require_secure_transport --value ON";
            found.push(
                Found::risk(subject(server), "it takes connections in clear, and with them tokens and passwords")
                    .seen(["server parameter require_secure_transport is OFF".to_owned()])
                    .fix([az_server(&server.id, "parameter set", "-s", more)]),
            );
        }
        let shaken = |failure: &&Failure| says(failure, &["certificate", "tls:", "no encryption", "handshake"]);
        found.extend(server.refused.as_ref().filter(shaken).map(|failure| {
            let cause = if server.tls == Tls::Disable {
                "the plan file says tls = \"disable\", and the server wants it"
            } else {
                "its certificate cannot be verified from here"
            };
            let fix = match server.tls {
                Tls::Disable => "# take tls = \"disable\" out of the plan file",
                _ => "# name the file with the server's certificate authority in PGSSLROOTCERT",
            };
            Found::symptom(subject(server), cause).seen([failure.in_a_line()]).fix([fix.to_owned()])
        }));
    }
    for site in &facts.sites {
        let weak = site.settings.iter().flatten().filter(|(name, value)| {
            let mode = name.to_ascii_uppercase().replace('_', "").contains("SSLMODE");
            mode && ["disable", "allow", "prefer"].iter().any(|weak| value.eq_ignore_ascii_case(weak))
        });
        for (name, value) in weak {
            let cause = "it sends its token in clear where the server, or somebody in between, does not ask for TLS";
            let more = format!(" --settings {}", super::commands::word(&format!("{name}=require")));
            found.push(
                Found::symptom(site.id.to_string(), cause)
                    .seen([format!("app setting {name} is {value}")])
                    .fix([super::commands::az_site(site, "config appsettings set", &more)]),
            );
        }
    }
    found
}

fn entra_off(facts: &Facts) -> Vec<Found> {
    let off = facts.servers.iter().filter(|server| server.seen && !server.auth.entra());
    off.map(|server| {
        let fix = match &server.auth_address {
            Some(address) => apply(facts, address),
            None => az_server(&server.id, "update", "-n", " --microsoft-entra-auth Enabled"),
        };
        Found::symptom(subject(server), "Entra authentication is off")
            .seen(["Resource Manager says authConfig.activeDirectoryAuth is not Enabled".to_owned()])
            .fix([fix])
    })
    .collect()
}

fn not_let_in(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for server in facts.servers.iter().filter(|server| !server.seen || server.auth.entra()) {
        let Some(failure) = server.refused.as_ref().filter(|one| one.class == Class::NotSignedIn) else { continue };
        if unreachable(server).is_some() || says(failure, &["no encryption"]) {
            continue;
        }
        let names = server.administrators.as_ref().map(|all| {
            let names: Vec<&str> = all.iter().filter_map(|one| one.principal_name.as_deref()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        });
        let who = facts.own.object_id.as_deref().unwrap_or("OBJECT_ID");
        let more = super::rules_role::administrator_words("NAME", who, "ServicePrincipal");
        found.push(
            Found::symptom(subject(server), "none of the plan file's connections may sign in")
                .seen([failure.in_a_line()])
                .seen(names.map(|names| format!("its Entra administrators: {names}")))
                .seen(facts.own.who.iter().map(|who| format!("pgentra runs as {who}")))
                .fix([az_server(&server.id, "microsoft-entra-admin create", "-s", &more)]),
        );
    }
    found
}

fn clock(facts: &Facts) -> Vec<Found> {
    let mut found = Vec::new();
    for server in &facts.servers {
        let Some(times) = &server.times else { continue };
        if let (Err(why), Some(_), Some(_)) = (times.dated(), times.server, times.azure) {
            let cause = "no observation can be dated, and tokens may count as expired";
            found.push(
                Found::symptom(subject(server), cause)
                    .seen([why])
                    .fix(["# nobody but Azure can set these clocks: open a support request".to_owned()]),
            );
        }
        let apart = times.azure.filter(|azure| times.runner.duration_since(*azure).abs() > TOLERANCE);
        found.extend(apart.map(|azure| {
            Found::symptom(
                "this machine",
                "its clock is more than five minutes off, so that tokens count as expired or not valid yet",
            )
            .seen([format!("here it is {}, for Azure {}", moment(times.runner), moment(azure))])
            .fix(["sudo timedatectl set-ntp true".to_owned()])
        }));
    }
    // One machine has one clock, however many servers it was compared with.
    found.dedup_by(|one, other| one.subject == other.subject && one.subject == "this machine");
    found
}
