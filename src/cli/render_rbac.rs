//! `render rbac`: a custom role with exactly the Azure actions that plan and apply of a plan file need.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Value as Json, json};

use super::args::{Global, PlanFileArg};
use super::exit::{Ended, Exit};
use super::live;
use super::load::usable;
use super::observe::validations;
use super::output::Output;
use crate::model::StoreUrl;
use crate::report::{Block, Page, json_text};
use crate::resources::{BLOB_STORE, Need, Phase, needs};

/// Options of `render rbac`.
#[derive(Args, Clone, Debug)]
pub struct RbacArgs {
    /// The plan file.
    #[command(flatten)]
    pub file: PlanFileArg,
    /// Only what `plan`, `verify`, `status` and `observe` need: nothing that writes, except into a blob store where the plan
    /// file has a validation to observe
    #[arg(long)]
    pub read_only: bool,
}

/// Runs `render rbac`.
pub async fn run(args: &RbacArgs, global: &Global, output: &Output) -> Result<Exit, Ended> {
    let (_, file) = usable(&args.file, global, output)?;
    // Nothing live is asked; the world knows which server is where.
    let world = live::world(&file.target, global, None).await?;
    let needs = needs(&file.desired, &world);
    let wanted = needs.into_iter().filter(|(_, why)| why.plan || !args.read_only).map(|(need, _)| need);
    let blobs = file.store.as_deref().is_some_and(|url| matches!(url.parse(), Ok(StoreUrl::Blobs(_))));
    let observes = !validations(&file).is_empty();
    let store = if blobs { store_needs(args.read_only, observes) } else { Vec::new() };
    let data = definition(&file.name, args.read_only, &wanted.chain(store).collect());
    let page = Page { blocks: Vec::<Block>::new(), data: data.clone().into() };
    if output.is_json() {
        output.page(&page)?;
    } else {
        output.data(&json_text(&data))?;
        output.json_file(&page)?;
    }
    Ok(Exit::Done)
}

/// What a store of blobs needs. Who only looks writes nothing there, but who observes takes the lock and records.
fn store_needs(read_only: bool, observes: bool) -> Vec<Need> {
    let wanted = |action: &str, phase: Phase| {
        phase == Phase::Plan || !read_only || (observes && action.ends_with("/containers/blobs/write"))
    };
    // Which resource group the account is in, its address does not say.
    let need = |action: &str, data| Need { scope: String::new(), action: action.to_owned(), data };
    let wanted = BLOB_STORE.iter().filter(|(action, _, phase)| wanted(action, *phase));
    wanted.map(|(action, data, _)| need(action, *data)).collect()
}

/// The role as `az role definition create --role-definition` takes it.
pub(super) fn definition(plan: &str, read_only: bool, needs: &BTreeSet<Need>) -> Json {
    let actions = |data: bool| -> Vec<&str> {
        let all: BTreeSet<&str> =
            needs.iter().filter(|need| need.data == data).map(|need| need.action.as_str()).collect();
        all.into_iter().collect()
    };
    let scopes: BTreeSet<String> =
        needs.iter().filter(|need| !need.scope.is_empty()).map(|need| assignable(&need.scope)).collect();
    let (word, what) = if read_only { ("plan", "Looks at") } else { ("apply", "Looks at and changes") };
    json!({
        "Name": format!("pgentra {word} {plan}"),
        "IsCustom": true,
        "Description": format!("{what} what the pgentra plan file {plan} names, and nothing else."),
        "Actions": actions(false),
        "NotActions": [],
        "DataActions": actions(true),
        "NotDataActions": [],
        "AssignableScopes": scopes,
    })
}

/// The resource group of a scope, or its subscription: a custom role is assignable there or above, and not on resources.
fn assignable(scope: &str) -> String {
    let parts: Vec<&str> = scope.split('/').collect();
    let group = parts.get(3).is_some_and(|part| part.eq_ignore_ascii_case("resourceGroups"));
    let kept = if group { 5 } else { 3 };
    parts.into_iter().take(kept).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::{definition, store_needs};
    use crate::resources::Need;

    #[test]
    fn who_observes_may_write_into_the_store_and_who_plans_may_not() {
        let verbs = |read_only, observes| {
            let needs = store_needs(read_only, observes);
            needs.iter().map(|need| need.action.rsplit_once('/').unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(verbs(true, false), ["read"]);
        assert_eq!(verbs(true, true), ["read", "write"]);
        assert!(store_needs(true, true).iter().all(|need| need.data));
        assert_eq!(verbs(false, false), ["read", "write", "write"]);
    }

    #[test]
    fn a_role_is_assignable_to_groups_and_has_each_action_once() {
        let need = |scope: &str, action: &str, data| Need { scope: scope.into(), action: action.into(), data };
        let site = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/";
        let needs = [
            need(&format!("{site}a"), "Microsoft.Web/sites/read", false),
            need(&format!("{site}b"), "Microsoft.Web/sites/read", false),
            need("/subscriptions/s/resourceGroups/g", "x/read", false),
            need("/subscriptions/s", "logs/read", false),
            need("/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", "get/action", true),
        ];
        let role = definition("geo", false, &needs.into_iter().collect());
        assert_eq!(role["Actions"], serde_json::json!(["Microsoft.Web/sites/read", "logs/read", "x/read"]));
        assert_eq!(role["DataActions"], serde_json::json!(["get/action"]));
        assert_eq!(
            role["AssignableScopes"],
            serde_json::json!(["/subscriptions/s", "/subscriptions/s/resourceGroups/g"])
        );
    }
}
