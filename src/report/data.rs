//! A page as data, made only when somebody asks for it: that of many thousand privileges would fill memory.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

type Make = Box<dyn FnOnce() -> Json + Send>;

/// JSON that is there, or how to make it.
#[derive(Clone)]
pub struct Data(Arc<LazyLock<Json, Make>>);

impl Data {
    /// Made the first time that it is looked at.
    pub fn later(make: impl FnOnce() -> Json + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// The same with a change, made when it is looked at.
    pub fn changed(self, change: impl FnOnce(&mut Json) + Send + 'static) -> Self {
        Self::later(move || {
            let mut data = Json::clone(&self);
            change(&mut data);
            data
        })
    }
}

impl Deref for Data {
    type Target = Json;

    fn deref(&self) -> &Json {
        &self.0
    }
}

impl From<Json> for Data {
    fn from(data: Json) -> Self {
        Self::later(move || data)
    }
}

impl Default for Data {
    fn default() -> Self {
        Json::Null.into()
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
