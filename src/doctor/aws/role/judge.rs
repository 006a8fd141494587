//! What IAM's answers mean for a role. Pure.

use std::collections::BTreeSet;

use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType};

use crate::config::RoleArn;
use crate::doctor::Finding;
use crate::doctor::aws::role::Duty;
use crate::doctor::aws::role::question::Question;
use crate::doctor::words::count;

/// Judges what was said of one resource: what lacks, what cannot be told, what is too much. Nothing where all is well.
pub(super) fn judge(duty: Duty, role: &RoleArn, question: &Question, results: &[EvaluationResult]) -> Vec<Finding> {
    let (check, role, resource) = (duty.check(), role.as_str(), question.described());
    let said = |action: &str| results.iter().find(|result| result.eval_action_name.eq_ignore_ascii_case(action));
    let is_allowed =
        |action: &&&str| said(action).is_some_and(|said| said.eval_decision == PolicyEvaluationDecisionType::Allowed);
    let mut findings = Vec::new();
    let untold: Vec<_> = question.actions().filter(|action| said(action).is_none()).collect();
    if !untold.is_empty() {
        let what = format!("IAM does not say whether `{role}` may {} on {resource}", untold.join(", "));
        findings.push(Finding::warning(check, what, "try again; AWS's health page says whether IAM has trouble"));
    }
    let denied: Vec<_> = question.needed.iter().filter(|action| !is_allowed(action)).filter_map(|action| said(action)).collect();
    let (unclear, lacking): (Vec<_>, Vec<_>) = denied.into_iter().partition(|said| missing(said).next().is_some());
    if !lacking.is_empty() {
        let what = format!("`{role}` may not {} on {resource}", actions(&lacking));
        let fix = format!(
            "allow {} on `{}` to it, as the template does; where a policy, its boundary or the organisation denies it, lift that",
            actions(&lacking),
            question.grant()
        );
        findings.push(Finding::problem(check, what, fix));
    }
    if !unclear.is_empty() {
        let keys: BTreeSet<_> = unclear.iter().flat_map(|said| missing(said)).map(|key| format!("`{key}`")).collect();
        let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
        let what = format!("whether `{role}` may {} on {resource} hangs on {keys}, which is not known here", actions(&unclear));
        let fix = "look at these conditions in its policies; one on s3:prefix has to be StringLikeIfExists, since a GetObject \
                   names no prefix";
        findings.push(Finding::warning(check, what, fix));
    }
    let excess: Vec<_> = question.unneeded.iter().filter(is_allowed).copied().collect();
    if !excess.is_empty() {
        let what = format!("`{role}` may {} on {resource}, which is never done", excess.join(", "));
        let fix = "take what allows that out of its policies; the template's roles go without";
        findings.push(Finding::warning(check, what, fix));
    }
    findings
}

/// What there is to say where nothing was found.
pub(super) fn sound(duty: Duty, role: &RoleArn, questions: &[Question]) -> Finding {
    let sum = |of: fn(&Question) -> usize| questions.iter().map(of).sum::<usize>();
    let needed = count(sum(|question| question.needed.len()), "right");
    let what = format!(
        "`{}` has the {needed} that it was asked for, and none of {} that it should not have; what the bucket's and the KMS keys' \
         own policies say is not looked at",
        role.as_str(),
        sum(|question| question.unneeded.len())
    );
    Finding::ok(duty.check(), what)
}

/// The keys of conditions that IAM would have to know.
fn missing(said: &EvaluationResult) -> impl Iterator<Item = &str> {
    // Where, hangs on whether a resource was named, and has changed.
    let of_resource = said.resource_specific_results().iter().flat_map(|result| result.missing_context_values());
    said.missing_context_values().iter().chain(of_resource).map(String::as_str)
}

fn actions(said: &[&EvaluationResult]) -> String {
    said.iter().map(|said| said.eval_action_name()).collect::<Vec<_>>().join(", ")
}

impl Question {
    fn described(&self) -> String {
        match &self.context {
            None => format!("`{}`", self.resource),
            Some((key, value)) => format!("`{}` (where {key} is `{value}`)", self.resource),
        }
    }
}

#[cfg(test)]
mod tests;
