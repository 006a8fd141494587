//! `filelist`: the names of the functions.

use async_trait::async_trait;

use crate::error::Result;
use crate::function::{Answer, Arguments, Function, Spec, View};

pub(super) struct FileList(Spec);

impl FileList {
    pub(super) fn new() -> Self {
        // The original kept a file a function; hence the name.
        Self(Spec::new("filelist", "Lists the functions by name."))
    }
}

#[async_trait]
impl Function for FileList {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, _arguments: &Arguments, view: &View) -> Result<Answer> {
        Ok(Answer::Json(view.functions().await?.into()))
    }
}
