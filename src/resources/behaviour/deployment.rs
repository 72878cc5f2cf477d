//! How `deployment` behaves: a part of its site, whose content is known by the zip's name or the command's version.

use super::site::{SITE_IS_THERE, no_site};
use super::{Behaviour, PLAIN, text};
use crate::model::{Attributes, Reading, Value};
use crate::resources::deployment::DEPLOYED;
use crate::resources::memory::shown;

/// `deployment`: a part of its site; no file is read and no command run, so that what is beside the content counts as
/// live, too.
pub(in crate::resources) const DEPLOYMENT: Behaviour = Behaviour {
    part: Some(Attributes::new),
    missing: no_site,
    plan: |state, look| {
        let mut restated = look.attributes.clone();
        let content = |path: &str| format!("content of {path}");
        let paths: Vec<String> = ["previous", "zip"]
            .iter()
            .filter_map(|name| restated.remove(*name)?.as_text().map(str::to_owned))
            .collect();
        let wanted = match paths.last() {
            Some(zip) => content(zip),
            None => text(look.attributes, "version").unwrap_or(DEPLOYED).to_owned(),
        };
        if !paths.is_empty() {
            let zips = paths.into_iter().map(|path| (content(&path), Value::Text(path))).collect();
            restated.insert("zips".to_owned(), Value::Map(zips));
        }
        restated.insert("content".to_owned(), Value::Text(wanted));
        let none = Attributes::new();
        let live = state.get("deployment", look.key).unwrap_or(&none);
        let there = restated.iter().map(|(name, asked)| (name.clone(), shown(asked, live.get(name)))).collect();
        let mut reading = Reading::present(there, Attributes::new());
        reading.desired = Some(restated);
        Ok(Some(reading))
    },
    laws: &[SITE_IS_THERE],
    ..PLAIN
};
