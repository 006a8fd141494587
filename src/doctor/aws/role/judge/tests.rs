use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};
use aws_sdk_iam::types::ResourceSpecificResult;
use aws_sdk_iam::types::builders::EvaluationResultBuilder;

use super::*;
use crate::doctor::Level::{self, Problem, Warning};

fn role() -> RoleArn {
    RoleArn::parse("arn:aws:iam::123456789012:role/api").unwrap()
}

/// Reads below `prod/`, and should not write there.
fn question() -> Question {
    Question {
        resource: "arn:aws:s3:::prices/prod/cache-api-doctor".to_owned(),
        context: None,
        needed: vec!["s3:GetObject", "s3:GetObjectVersion"],
        unneeded: vec!["s3:PutObject"],
    }
}

fn said(action: &str, decision: PolicyEvaluationDecisionType) -> EvaluationResultBuilder {
    EvaluationResult::builder().eval_action_name(action).eval_decision(decision)
}

fn results(read: PolicyEvaluationDecisionType, write: PolicyEvaluationDecisionType) -> Vec<EvaluationResult> {
    let all = [said("s3:GetObject", read), said("s3:GetObjectVersion", Allowed), said("s3:PutObject", write)];
    all.into_iter().map(|result| result.build().unwrap()).collect()
}

/// Level, sentence and fix of the one finding.
#[track_caller]
fn found(question: &Question, results: &[EvaluationResult]) -> (Level, String, String) {
    let [finding] = judge(Duty::Answer, &role(), question, results).try_into().expect("one finding");
    assert_eq!(finding.check, "role");
    (finding.level, finding.what, finding.fix.expect("a fix"))
}

#[test]
fn a_role_with_what_it_needs_and_no_more_is_sound() {
    assert_eq!(judge(Duty::Answer, &role(), &question(), &results(Allowed, ImplicitDeny)), []);
    assert_eq!(judge(Duty::Answer, &role(), &question(), &results(Allowed, ExplicitDeny)), []);
    let sound = sound(Duty::Refresh, &role(), &[question(), question()]);
    assert_eq!((sound.level, sound.check), (Level::Ok, "refresh-role"));
    assert!(sound.what.contains("has the 4 rights that it was asked for, and none of 2"), "{sound:?}");
}

#[test]
fn a_right_that_lacks_is_a_problem_and_the_fix_names_action_and_resource() {
    for decision in [ImplicitDeny, ExplicitDeny] {
        let (level, what, fix) = found(&question(), &results(decision, ImplicitDeny));
        assert_eq!(level, Problem);
        assert_eq!(
            what,
            "`arn:aws:iam::123456789012:role/api` may not s3:GetObject on `arn:aws:s3:::prices/prod/cache-api-doctor`"
        );
        assert!(fix.starts_with("allow s3:GetObject on `arn:aws:s3:::prices/prod/*` to it"), "{fix}");
    }
}

#[test]
fn a_right_too_many_is_a_warning() {
    let (level, what, fix) = found(&question(), &results(Allowed, Allowed));
    assert_eq!(level, Warning);
    assert!(what.ends_with("may s3:PutObject on `arn:aws:s3:::prices/prod/cache-api-doctor`, which is never done"), "{what}");
    assert!(fix.starts_with("take what allows that out"), "{fix}");
    let both = judge(Duty::Answer, &role(), &question(), &results(ImplicitDeny, Allowed));
    assert_eq!(both.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Problem, Warning]);
}

/// IAM says it in one of two places.
#[test]
fn a_right_under_a_condition_that_iam_was_not_told_of_cannot_be_judged() {
    let question = Question {
        resource: "arn:aws:s3:::prices".to_owned(),
        context: Some(("s3:prefix", "prod/".to_owned())),
        needed: vec!["s3:ListBucket"],
        unneeded: vec![],
    };
    let denied = || said("s3:ListBucket", ImplicitDeny);
    let of_resource = ResourceSpecificResult::builder()
        .eval_resource_name(&question.resource)
        .eval_resource_decision(ImplicitDeny)
        .missing_context_values("aws:SourceVpce")
        .build()
        .unwrap();
    for result in [denied().missing_context_values("aws:SourceVpce"), denied().resource_specific_results(of_resource)] {
        let (level, what, _) = found(&question, &[result.build().unwrap()]);
        assert_eq!(level, Warning);
        assert!(
            what.contains("s3:ListBucket on `arn:aws:s3:::prices` (where s3:prefix is `prod/`) hangs on `aws:Source"),
            "{what}"
        );
    }
    let allowed = said("s3:ListBucket", Allowed).missing_context_values("aws:SourceVpce").build().unwrap();
    assert_eq!(judge(Duty::Answer, &role(), &question, &[allowed]), []);
}

#[test]
fn what_iam_says_nothing_of_is_not_taken_for_a_denial() {
    let mut some = results(Allowed, ImplicitDeny);
    some.remove(0);
    let (level, what, _) = found(&question(), &some);
    assert_eq!(level, Warning);
    assert!(what.contains("does not say whether") && what.contains("may s3:GetObject on"), "{what}");
}
