//! What the functions' roles may do: all that they need, and what they do not. IAM says it, by simulating the roles' own policies,
//! boundaries and the organisation's policies; what the bucket's and the keys' policies add or take away it does not know.

use aws_config::SdkConfig;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult};

use crate::config::{Config, RoleArn};
use crate::doctor::Finding;
use crate::doctor::aws::refusal::Refusal;
use crate::doctor::aws::unset;

use self::question::Question;

mod judge;
mod question;

/// What the function under a role does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Duty {
    /// It answers requests.
    Answer,
    /// It takes the bucket's events.
    Refresh,
}

/// Asks about each role; one that is not set is a finding.
pub(super) async fn examine(sdk: &SdkConfig, config: &Config) -> Vec<Finding> {
    let client = Client::new(sdk);
    let region = sdk.region().map_or("", AsRef::as_ref);
    let deployment = &config.deployment;
    let (mut findings, of_refresh) = tokio::join!(
        role(&client, Duty::Answer, deployment.role_arn.as_ref(), config, region),
        role(&client, Duty::Refresh, deployment.refresh_role_arn.as_ref(), config, region),
    );
    // Without a queue there is no function that takes events from it.
    if deployment.refresh_role_arn.is_some() || deployment.queue_arn.is_some() {
        findings.extend(of_refresh);
    }
    findings
}

async fn role(client: &Client, duty: Duty, arn: Option<&RoleArn>, config: &Config, region: &str) -> Vec<Finding> {
    let Some(arn) = arn else { return vec![duty.unset()] };
    let questions = question::all(duty, arn, config, region);
    let mut findings = Vec::new();
    for question in &questions {
        match ask(client, arn, question).await {
            Ok(results) => findings.extend(judge::judge(duty, arn, question, &results)),
            // The others would end the same way.
            Err(refusal) => {
                let thing = format!("`{}`", arn.as_str());
                findings.push(refusal.finding(duty.check(), "iam:SimulatePrincipalPolicy", &thing));
                return findings;
            }
        }
    }
    if findings.is_empty() {
        findings.push(judge::sound(duty, arn, &questions));
    }
    findings
}

/// One resource at a time: of several IAM says in one word what it decides of all.
async fn ask(client: &Client, arn: &RoleArn, question: &Question) -> Result<Vec<EvaluationResult>, Refusal> {
    let entry = |(key, value): &(&str, String)| {
        let entry = ContextEntry::builder().context_key_name(*key).context_key_type(ContextKeyTypeEnum::String);
        entry.context_key_values(value).build()
    };
    let asked = client
        .simulate_principal_policy()
        .policy_source_arn(arn.as_str())
        .set_action_names(Some(question.actions().map(str::to_owned).collect()))
        .resource_arns(&question.resource)
        .set_context_entries(question.context.as_ref().map(|context| vec![entry(context)]));
    let answer = asked.send().await.map_err(|error| Refusal::of(&error))?;
    Ok(answer.evaluation_results.unwrap_or_default())
}

impl Duty {
    /// Under which name findings of its role are known.
    fn check(self) -> &'static str {
        match self {
            Self::Answer => "role",
            Self::Refresh => "refresh-role",
        }
    }

    fn unset(self) -> Finding {
        match self {
            Self::Answer => {
                unset(self.check(), "CACHE_API_ROLE_ARN", "role of the function that answers (the output ApiRoleArn)")
            }
            Self::Refresh => {
                unset(self.check(), "CACHE_API_REFRESH_ROLE_ARN", "role of the function that takes events (RefreshRoleArn)")
            }
        }
    }
}
