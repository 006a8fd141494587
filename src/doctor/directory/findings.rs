//! What a survey of LOCAL_DATA_DIR means. Pure.

use std::io;

use crate::doctor::Finding;
use crate::doctor::words::{bytes, count, pile, sample};
use crate::tier::directory::survey::{Around, Part, Sample, Survey};

/// Leftovers that are worth a word: what fills take away and the sweep has not yet is normal.
const LEFTOVER_BYTES_MAX: u64 = 1 << 30;

/// What is wrong with what is held.
pub(super) fn of_survey(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    if survey.shards.of > 0 && !survey.has_epoch {
        let what = "the root's epoch is missing or illegible: no instance answers from memory without looking";
        findings.push(Finding::warning("layout", what, "start an instance, or update any key: both write it anew"));
    }
    blame(
        &mut findings,
        "layout",
        &survey.foreign,
        "names among ours that are not ours",
        "move them away: nothing here reads them",
    );
    blame(
        &mut findings,
        "layout",
        &survey.unreadable,
        "places that cannot be read",
        "look at the disk, and at who may read there",
    );
    let states = &survey.illegible;
    blame(
        &mut findings,
        "states",
        states,
        "states that are illegible",
        "nothing: their keys are fetched anew; more of them mean a bad disk",
    );
    if states.count == 0 {
        let all = format!("{}{} legible", count(survey.keys, "state"), walked(survey.shards));
        findings.push(Finding::ok("states", format!("{all}, {} to be confirmed by the next read", survey.doubted)));
    }
    bodies(&mut findings, survey);
    views(&mut findings, survey);
    leftovers(&mut findings, survey);
    findings
}

fn bodies(findings: &mut Vec<Finding>, survey: &Survey) {
    let again = "nothing: they are fetched anew when they are read; more of them mean a bad disk";
    blame(findings, "bodies", &survey.missing, "bodies that a state names and that are not there", again);
    let damaged = &survey.damaged;
    if damaged.count > 0 {
        let what =
            format!("the checksums of {} of {} bodies are wrong: {}", damaged.count, survey.bodies.looked_at, sample(damaged));
        findings.push(Finding::problem(
            "bodies",
            what,
            "look at the disk; no reader gets them, and each is fetched anew when it is read",
        ));
    } else {
        let Part { looked_at, of } = survey.bodies;
        let sampled = if looked_at < of { ", a sample" } else { "" };
        findings.push(Finding::ok("bodies", format!("{looked_at} of {of} were read{sampled}; all pass their checksums")));
    }
}

fn views(findings: &mut Vec<Finding>, survey: &Survey) {
    let views = &survey.views;
    let fix = "remove them, and update their keys; the cache never reads them";
    blame(findings, "views", &views.others, "files of other programs where others would find a key", fix);
    blame(findings, "views", &views.older, "views that show an older body", "evict their keys, or wait for the next new version");
    if views.others.count + views.older.count == 0 {
        let none = if views.none > 0 { format!(", {} cannot", views.none) } else { String::new() };
        findings.push(Finding::ok("views", format!("{} can be read by other programs as files{none}", count(views.ours, "key"))));
    }
}

fn leftovers(findings: &mut Vec<Finding>, survey: &Survey) {
    let Survey { temporaries, superseded, trash, .. } = survey;
    let what = format!(
        "{}, {}, {} in the trash",
        pile(*temporaries, "temporary file"),
        pile(*superseded, "superseded body").replace("bodys", "bodies"),
        pile(*trash, "file"),
    );
    let sum = temporaries.bytes.saturating_add(superseded.bytes).saturating_add(trash.bytes);
    findings.push(if sum > LEFTOVER_BYTES_MAX {
        Finding::warning(
            "leftovers",
            format!("{what}: {} that nothing reads", bytes(sum)),
            "run `cache-api sweep`, on a schedule",
        )
    } else {
        Finding::ok("leftovers", what)
    });
}

/// What is beside what is held.
pub(super) fn of_around(around: &Around) -> Vec<Finding> {
    let mut findings = Vec::new();
    let fix = "remove them when no other release of cache-api uses this directory any more";
    blame(&mut findings, "layout", &around.other_layouts, "directories of another layout's version beside ours", fix);
    let fix = "remove them from `.cache` if no doctor is at work: one was killed";
    blame(&mut findings, "layout", &around.scratches, "scratch directories that a doctor has left", fix);
    let mut say = |names: &Sample, what: &str| {
        if names.count > 0 {
            findings.push(Finding::ok("layout", all_of(what, names)));
        }
    };
    say(&around.other_records, "other records that are cached here too, and take of its space");
    say(&around.foreign, "names in `.cache` that are not ours, and left alone");
    say(&around.others, "files here that are not ours, and left alone");
    findings
}

/// LOCAL_DATA_DIR itself cannot be listed.
pub(super) fn unlisted(error: &io::Error) -> Finding {
    Finding::warning("layout", format!("LOCAL_DATA_DIR cannot be listed: {error}"), "let this process read it")
}

fn blame(findings: &mut Vec<Finding>, check: &'static str, names: &Sample, what: &str, fix: &str) {
    if names.count > 0 {
        findings.push(Finding::warning(check, all_of(what, names), fix));
    }
}

/// Their number behind the words, which are then right for one as well.
fn all_of(what: &str, names: &Sample) -> String {
    format!("{what}: {} ({})", names.count, sample(names))
}

fn walked(shards: Part) -> String {
    if shards.looked_at < shards.of {
        format!(" (of {} of {} shards, then time was up)", shards.looked_at, shards.of)
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::tier::directory::survey::{Pile, Views};

    fn one(name: &str) -> Sample {
        Sample { count: 1, examples: vec![name.to_owned()] }
    }

    fn sound() -> Survey {
        Survey { shards: Part { looked_at: 1, of: 1 }, has_epoch: true, ..Survey::default() }
    }

    fn blamed(findings: &[Finding]) -> Vec<(Level, &'static str)> {
        let bad = findings.iter().filter(|finding| finding.level > Level::Ok);
        bad.map(|finding| (finding.level, finding.check)).collect()
    }

    #[test]
    fn each_thing_that_a_survey_finds_is_one_finding() {
        let (warning, problem) = (Level::Warning, Level::Problem);
        let views = |views| Survey { views, ..sound() };
        let table = [
            (sound(), vec![]),
            (Survey::default(), vec![]),
            (Survey { has_epoch: false, ..sound() }, vec![(warning, "layout")]),
            (Survey { foreign: one("x"), ..sound() }, vec![(warning, "layout")]),
            (Survey { unreadable: one("x"), ..sound() }, vec![(warning, "layout")]),
            (Survey { illegible: one("x"), ..sound() }, vec![(warning, "states")]),
            (Survey { missing: one("x"), ..sound() }, vec![(warning, "bodies")]),
            (Survey { damaged: one("x"), ..sound() }, vec![(problem, "bodies")]),
            (views(Views { others: one("x"), ..Views::default() }), vec![(warning, "views")]),
            (views(Views { older: one("x"), ..Views::default() }), vec![(warning, "views")]),
            (Survey { superseded: Pile { files: 1, bytes: LEFTOVER_BYTES_MAX }, ..sound() }, vec![]),
            (Survey { trash: Pile { files: 2, bytes: LEFTOVER_BYTES_MAX + 1 }, ..sound() }, vec![(warning, "leftovers")]),
        ];
        for (survey, expected) in table {
            assert_eq!(blamed(&of_survey(&survey)), expected, "{survey:?}");
        }
    }

    #[test]
    fn a_sample_says_that_it_is_one() {
        let part = Part { looked_at: 2, of: 5 };
        let said = of_survey(&Survey { shards: part, keys: 9, bodies: part, ..sound() });
        assert!(said.iter().any(|finding| finding.what.contains("of 2 of 5 shards")), "{said:?}");
        assert!(said.iter().any(|finding| finding.what.contains("2 of 5 were read, a sample")), "{said:?}");
    }

    #[test]
    fn one_is_said_as_one_and_more_as_more() {
        let views = |ours, none| Survey { views: Views { ours, none, ..Views::default() }, foreign: one("x"), ..sound() };
        let said = |survey| of_survey(&survey).into_iter().map(|finding| finding.what).collect::<Vec<_>>();
        let one = said(views(1, 0));
        assert!(one.contains(&"1 key can be read by other programs as files".to_owned()), "{one:?}");
        assert!(one.contains(&"names among ours that are not ours: 1 (`x`)".to_owned()), "{one:?}");
        let more = said(views(3, 1));
        assert!(more.contains(&"3 keys can be read by other programs as files, 1 cannot".to_owned()), "{more:?}");
    }

    #[test]
    fn other_programs_files_are_said_and_no_fault() {
        let around = Around { others: one("a"), other_records: one("b"), foreign: one("c"), ..Around::default() };
        let said = of_around(&around);
        assert_eq!((said.len(), blamed(&said)), (3, vec![]), "{said:?}");
        let around = Around { other_layouts: one("v0"), scratches: one("doctor-1"), ..Around::default() };
        assert_eq!(blamed(&of_around(&around)), [(Level::Warning, "layout"), (Level::Warning, "layout")]);
    }
}
