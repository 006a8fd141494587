//! `echo` and `say_hello`: the message, as it came.

use async_trait::async_trait;

use crate::error::Result;
use crate::function::{Answer, Arguments, Function, Kind, Spec, View};

pub(super) struct Echo(Spec);

impl Echo {
    pub(super) fn named(name: &str) -> Self {
        Self(Spec::new(name, "Answers the message.").takes("message", Kind::Text, "What to answer."))
    }
}

#[async_trait]
impl Function for Echo {
    fn spec(&self) -> &Spec {
        &self.0
    }

    async fn call(&self, arguments: &Arguments, _view: &View) -> Result<Answer> {
        Ok(Answer::Text(arguments.text("message").to_owned()))
    }
}
