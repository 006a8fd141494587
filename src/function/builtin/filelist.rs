//! `filelist`: the names of the functions.

use async_trait::async_trait;

use crate::error::Result;
use crate::function::{Answer, Arguments, Function, Spec, View};

pub(super) struct FileList {
    spec: Spec,
    names: Vec<String>,
}

impl FileList {
    /// Lists `others` and itself.
    pub(super) fn beside(others: &[Box<dyn Function>]) -> Self {
        // The original kept a file a function; hence the name.
        let spec = Spec::new("filelist", "Lists the functions by name.");
        let mut names: Vec<String> = others.iter().map(|other| other.spec().name.clone()).chain([spec.name.clone()]).collect();
        names.sort();
        Self { spec, names }
    }
}

#[async_trait]
impl Function for FileList {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    async fn call(&self, _arguments: &Arguments, _view: &View) -> Result<Answer> {
        Ok(Answer::Json(self.names.clone().into()))
    }
}
