//! `cache-api doctor` as the real binary: sound and damaged directories, and what AWS does not say.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::client::get;
use super::support::serve::{End, Serve, run_to_end, vars};

/// A directory that holds three objects, and its source.
struct Held {
    source: tempfile::TempDir,
    local: tempfile::TempDir,
}

impl Held {
    async fn new() -> Self {
        let held = Self { source: tempfile::tempdir().unwrap(), local: tempfile::tempdir().unwrap() };
        for name in ["a.csv", "b.csv", "c.csv"] {
            fs::write(held.source.path().join(name), format!("body of {name}")).unwrap();
        }
        let source = held.source.path().to_str().unwrap();
        let server = Serve::start(&["--source", source], vars([("LOCAL_DATA_DIR", held.local.path())])).await;
        for name in ["a.csv", "b.csv", "c.csv"] {
            assert_eq!(get(server.address(), &format!("/cache/{name}")).await.status, 200);
        }
        assert!(server.terminate().await.status.success());
        held
    }

    async fn examine(&self) -> Examined {
        examine(self.local.path(), self.source.path()).await
    }

    /// The file of a key's body, which the view is a further name of.
    fn body(&self, name: &str) -> PathBuf {
        let inode = fs::metadata(self.local.path().join(name)).unwrap().ino();
        let found = files(&self.local.path().join(".cache")).into_iter().find(|file| fs::metadata(file).unwrap().ino() == inode);
        found.unwrap_or_else(|| panic!("{name} has no body"))
    }
}

/// What a doctor answered in JSON, and how it ended.
pub struct Examined {
    pub code: Option<i32>,
    pub findings: Vec<Value>,
}

impl Examined {
    pub fn of(end: &End) -> Self {
        let report: Value = serde_json::from_str(&end.stdout).unwrap_or_else(|error| panic!("{error}: {end:?}"));
        Self { code: end.status.code(), findings: report["findings"].as_array().unwrap().clone() }
    }

    /// `(level, check)` of all that is wrong, in order of check.
    pub fn blamed(&self) -> Vec<(&str, &str)> {
        let bad = self.findings.iter().filter(|finding| finding["level"] != "ok");
        let mut blamed: Vec<_> = bad.map(|finding| (text(&finding["level"]), text(&finding["check"]))).collect();
        blamed.sort_unstable();
        blamed
    }

    pub fn says(&self, what: &str) -> bool {
        self.findings.iter().any(|finding| text(&finding["what"]).contains(what))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn examine(local: &Path, source: &Path) -> Examined {
    let arguments = ["doctor", "--json", "--source", source.to_str().unwrap()];
    Examined::of(&run_to_end(&arguments, vars([("LOCAL_DATA_DIR", local)])).await)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Puts `content` where an immutable file is, as a bad disk would.
fn overwrite(file: &Path, content: &str) {
    fs::remove_file(file).unwrap();
    fs::write(file, content).unwrap();
}

#[tokio::test]
async fn a_sound_directory_is_found_sound_and_left_as_it_was() {
    let held = Held::new().await;
    let before = files(held.local.path());
    let found = held.examine().await;
    assert_eq!((found.blamed(), found.code), (vec![], Some(0)), "{:?}", found.findings);
    assert!(found.says("3 of 3 were read; all pass"), "{:?}", found.findings);
    assert!(found.says("hold between processes of this machine"), "{:?}", found.findings);
    assert!(found.says("3 keys can be read by other programs"), "{:?}", found.findings);
    assert_eq!(files(held.local.path()), before);
    assert!(!held.local.path().join(".cache").read_dir().unwrap().any(|entry| entry.unwrap().file_name() != "v2"));
}

#[tokio::test]
async fn damage_made_on_purpose_is_found() {
    let held = Held::new().await;
    let [flipped, garbage, copied] = ["a.csv", "b.csv", "c.csv"].map(|name| held.body(name));
    overwrite(&flipped, "body of A.csv");
    fs::write(garbage.with_file_name("state.json"), "{").unwrap();
    fs::write(garbage.with_file_name("0123.tmp"), "half").unwrap();
    fs::remove_file(held.local.path().join("c.csv")).unwrap();
    fs::copy(copied, held.local.path().join("c.csv")).unwrap();
    fs::create_dir(held.local.path().join(".cache/v0")).unwrap();
    fs::write(held.local.path().join("theirs.txt"), "").unwrap();
    let found = held.examine().await;
    let expected = [
        ("problem", "bodies"),
        ("warning", "layout"),
        ("warning", "states"),
        // The copy, and the view whose body was replaced.
        ("warning", "views"),
    ];
    assert_eq!((found.blamed(), found.code), (expected.to_vec(), Some(1)), "{:?}", found.findings);
    for said in ["`a.csv`", "`v0`", "`c.csv`", "`theirs.txt`", "1 temporary file (4 B)"] {
        assert!(found.says(said), "{said}: {:?}", found.findings);
    }
}

#[tokio::test]
async fn a_directory_that_is_none_is_a_finding_and_no_error() {
    let (dir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let found = examine(&dir.path().join("absent"), source.path()).await;
    assert_eq!((found.blamed(), found.code), (vec![("warning", "local-data-dir")], Some(0)), "{:?}", found.findings);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let link = dir.path().join("link");
    symlink("nowhere", &link).unwrap();
    for path in [file.clone(), file.join("beneath"), link] {
        let found = examine(&path, source.path()).await;
        assert_eq!((found.blamed(), found.code), (vec![("problem", "local-data-dir")], Some(1)), "{:?}", found.findings);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing was made");
}

#[tokio::test]
async fn people_read_aligned_lines_and_misused_settings_end_with_2() {
    let held = Held::new().await;
    let source = held.source.path().to_str().unwrap();
    let end = run_to_end(&["doctor", "--source", source], vars([("LOCAL_DATA_DIR", held.local.path())])).await;
    assert!(end.status.success() && end.stdout.ends_with("0 problems, 0 warnings, 8 ok\n"), "{end:?}");
    let end = run_to_end(&["doctor"], vars([("CACHE_API_LOCAL_MAX_AGE", "60")])).await;
    assert!(end.status.code() == Some(2) && end.stderr.contains("CACHE_API_LOCAL_MAX_AGE"), "{end:?}");
}

#[tokio::test]
async fn without_credentials_the_finding_says_so_and_nothing_else_is_asked() {
    let end = run_to_end(
        &["doctor", "--aws", "--json"],
        vars([("AWS_BUCKET_NAME", "prices"), ("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_DISABLED", "true")]),
    );
    let found = Examined::of(&end.await);
    assert_eq!((found.blamed(), found.code), (vec![("problem", "credentials")], Some(1)), "{:?}", found.findings);
}

#[tokio::test]
async fn each_id_that_is_missing_is_a_finding_that_names_its_setting() {
    let settings = [
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let source = tempfile::tempdir().unwrap();
    let end = run_to_end(&["doctor", "--aws", "--json", "--source", source.path().to_str().unwrap()], vars(settings)).await;
    let found = Examined::of(&end);
    let unset = [("warning", "access-point"), ("warning", "file-system"), ("warning", "role")];
    assert_eq!(found.blamed(), unset, "{:?}", found.findings);
    assert!(found.says("there is no bucket to look at"), "{:?}", found.findings);
    for name in ["CACHE_API_FILE_SYSTEM_ID", "CACHE_API_ACCESS_POINT_ID", "CACHE_API_ROLE_ARN"] {
        assert!(found.says(name), "{name}: {:?}", found.findings);
    }
}

/// Control calls become findings, not errors; and no finding holds a secret.
#[tokio::test]
async fn a_control_plane_that_cannot_be_reached_is_a_warning_for_each_check() {
    let settings = [
        ("AWS_BUCKET_NAME", "prices"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        // Nothing listens there.
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("CACHE_API_FILE_SYSTEM_ID", "fs-1"),
        ("CACHE_API_ACCESS_POINT_ID", "fsap-1"),
        ("CACHE_API_SUBNET_IDS", "subnet-1"),
    ];
    let end = run_to_end(&["doctor", "--aws", "--json"], vars(settings)).await;
    assert!(!end.stdout.contains("hunter2") && !end.stderr.contains("hunter2"), "{end:?}");
    let found = Examined::of(&end);
    assert_eq!(found.code, Some(0), "{:?}", found.findings);
    assert!(found.findings.iter().all(|finding| finding["level"] == "warning"), "{:?}", found.findings);
    assert!(found.says("elasticfilesystem:DescribeFileSystems was not answered"), "{:?}", found.findings);
    assert!(found.says("elasticfilesystem:DescribeAccessPoints was not answered"), "{:?}", found.findings);
    assert!(found.says("s3:ListBucket was not answered"), "{:?}", found.findings);
    assert!(found.says("s3:GetBucketNotification was not answered"), "{:?}", found.findings);
}
