//! Processes of functions are killed, and each takes its own call with it and no other.

use std::fs;
use std::process::Command;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::get;
use crate::support::serve::{Serve, vars};

const KILLS: usize = 200;

const CALLS_AT_A_TIME: usize = 8;

/// The processes that functions run in, of a server.
fn workers(server: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let is_its = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        parent == Some(server) && command.split(|byte| *byte == 0).nth(1) == Some(b"subprocess")
    };
    processes.filter(is_its).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_workers_by_the_hundred_loses_no_call_but_their_own() {
    let source = tempfile::tempdir().unwrap();
    fs::create_dir(source.path().join("functions")).unwrap();
    let function = "def main(cache, n: int):\n    x = 0\n    for i in range(n): x += i\n    return x\n";
    fs::write(source.path().join("functions/sums.py"), function).unwrap();
    fs::write(source.path().join("a.txt"), "a").unwrap();
    let arguments = ["--source", source.path().to_str().unwrap()];
    let server = Serve::start(&arguments, vars([("AWS_FUNCTION_DIR", "functions"), ("CACHE_API_LOG", "error")])).await;
    let url = "/cache/api/v1.0/?function=sums&n=20000";
    assert_eq!(get(server.address(), url).await.status, 200);
    let (mut killed, mut lost, mut answered) = (0, 0, 0);
    while killed < KILLS {
        let calls = join_all((0..CALLS_AT_A_TIME).map(|_| get(server.address(), url)));
        let kills = tokio::task::spawn_blocking({
            let process = server.process();
            move || {
                let workers = workers(process);
                let signals = workers.iter().map(|worker| Command::new("kill").args(["-9", &worker.to_string()]).output());
                signals.filter(|sent| sent.as_ref().is_ok_and(|sent| sent.status.success())).count()
            }
        });
        let (calls, kills) = tokio::join!(calls, kills);
        killed += kills.unwrap();
        for call in calls {
            let said: Value = serde_json::from_slice(&call.body).unwrap();
            match call.status.as_u16() {
                200 => {
                    assert_eq!(said["return"]["value"], json!("199990000"));
                    answered += 1;
                }
                _ => {
                    assert_eq!(said["type"], json!("/problems/function-stopped"), "{said}");
                    lost += 1;
                }
            }
        }
        // What is no function's is answered meanwhile.
        assert_eq!(get(server.address(), "/cache/a.txt").await.body, "a");
    }
    assert!(lost <= killed, "{lost} calls were lost to {killed} kills");
    assert!(answered >= lost, "{answered} calls were answered, {lost} lost");
    assert_eq!(get(server.address(), url).await.status, 200);
}
