//! Programs that want more than they may have. None of them takes anything else with it.

use super::*;

/// What a short limit leaves of a test's time.
fn tight() -> Desk {
    Desk::within(Limits { time: Duration::from_millis(1500), memory_bytes: 64 << 20 })
}

async fn stopped(desk: &Desk, body: &str) -> String {
    match desk.run("hostile", body).await {
        Err(Error::FunctionStopped { reason, .. }) => reason,
        other => panic!("{body}: {other:?}"),
    }
}

/// A call that does nothing wrong is answered, whatever went before it.
async fn assert_well(desk: &Desk) {
    assert_eq!(desk.says("well", "  return 1").await, json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_without_end_ends_with_its_time() {
    let desk = tight();
    for body in [
        "  while True: pass",
        "  while True:\n    try:\n      while True: pass\n    except BaseException: pass",
        "  try:\n    while True: pass\n  except TimeoutError:\n    return 'caught'",
        "  try:\n    while True: pass\n  finally:\n    while True: pass",
        "  return sum(1 for a in range(10**9) for b in range(10**9))",
    ] {
        assert_eq!(stopped(&desk, body).await, "it had run for 1s 500ms, as long as CACHE_API_FUNCTION_TIMEOUT lets it");
        assert_well(&desk).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_is_refused_or_ends_its_own_process() {
    let desk = Desk::within(Limits { time: Duration::from_secs(30), memory_bytes: 64 << 20 });
    for body in [
        "  return 'a' * 10**12",
        "  return 10**(10**9)",
        "  return [0] * 10**10",
        "  return bytes(10**11)",
        "  return list(range(10**12))",
        "  x = 'a'\n  while True: x = x + x",
        "  x = [0]\n  while True: x = x + x",
        "  x = []\n  while True: x.append('abc' * 100_000)",
        "  try:\n    return 'a' * 10**12\n  except MemoryError:\n    return 'caught'",
    ] {
        let reason = stopped(&desk, body).await;
        assert!(reason.contains("64 MiB of CACHE_API_FUNCTION_MEMORY"), "{body}: {reason}");
        assert_well(&desk).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recursion_and_nesting_end_as_errors() {
    let desk = Desk::new();
    let error = desk.run("deep", "  def f(n): return f(n + 1)\n  return f(0)").await.unwrap_err();
    let (exception, traceback) = raised(&error);
    assert!(exception.starts_with("RecursionError: maximum recursion depth exceeded"), "{exception}");
    assert!(traceback.len() < 4000 && traceback.contains(" more …"), "{traceback}");
    let error = desk.run("nested", "  x = []\n  for _ in range(100_000): x = [x]\n  return x").await.unwrap_err().to_string();
    assert!(error.contains("depth") || error.contains("deep"), "{error}");
    assert_well(&desk).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_in_reach() {
    let desk = Desk::new();
    for (body, expected) in [
        ("  import subprocess", "ModuleNotFoundError: No module named 'subprocess'"),
        ("  import socket", "ModuleNotFoundError: No module named 'socket'"),
        ("  import ctypes", "ModuleNotFoundError: No module named 'ctypes'"),
        ("  return open('/etc/passwd').read()", "PermissionError: Permission denied: '/etc/passwd'"),
        ("  return open('/tmp/x', 'w')", "PermissionError: Permission denied: '/tmp/x'"),
        (
            "  from pathlib import Path\n  return Path('/etc/passwd').read_text()",
            "PermissionError: Permission denied: '/etc/passwd'",
        ),
        ("  import os\n  return os.environ['PATH']", "RuntimeError: 'os.environ' is not supported in this environment"),
        (
            "  import os\n  return os.getenv('AWS_SECRET_ACCESS_KEY')",
            "RuntimeError: 'os.getenv' is not supported in this environment",
        ),
        ("  import os\n  return os.system('id')", "AttributeError: "),
        ("  return eval('1')", "NameError: name 'eval' is not defined"),
        ("  return exec('1')", "NameError: name 'exec' is not defined"),
        ("  return __import__('os')", "NameError: name '__import__' is not defined"),
        ("  return cache.__class__('x')", "AttributeError: "),
        ("  return type(cache)('x')", "AttributeError: "),
        ("  return cache._view", "AttributeError: "),
    ] {
        let error = desk.run("reach", body).await.unwrap_err();
        let exception = raised(&error).0;
        assert!(exception.starts_with(expected), "{body}: {exception}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_without_end_are_stopped() {
    let desk = Desk::new();
    assert_eq!(stopped(&desk, "  while True: print('x' * 1000)").await, "it printed more than 64 KiB");
    assert_eq!(desk.says("prints", "  print('a', 1)\n  print('b')\n  return 1").await, json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_without_end_is_stopped() {
    let desk = Desk::new();
    desk.put("a.txt", "a");
    let reason = stopped(&desk, "  while True:\n    try:\n      cache.has('a.txt')\n    except BaseException: pass").await;
    assert!(reason.starts_with("it has asked the cache ten thousand times"), "{reason}");
    let error = desk.run("large", "  return ['x' * 1_000_000] * 40").await.unwrap_err().to_string();
    assert!(error.contains("more than 16 MiB; return a frame, or less"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_function_says_what_to_mend() {
    let desk = tight();
    for (source, expected) in [
        ("def main(cache:\n    pass\n", "line 2: Expected an expression"),
        ("x = 1\n", "there is no `def main(cache, …)` in it"),
        ("def main(): pass\n", "the first parameter of `main` is the cache"),
        ("@cached\ndef main(cache): pass\n", "no decorator of `main` is called `@cached`"),
        ("@athena_result\ndef main(cache): pass\n", "`@athena_result` is not there yet"),
        (
            "import numpy\ndef main(cache): pass\n",
            "File \"wrong.py\", line 1, in <module>\n    import numpy\nModuleNotFoundError",
        ),
        (
            "def main(cache):\n    yield 1\n",
            "NotImplementedError: The monty syntax parser does not yet support yield expressions",
        ),
        ("while True: pass\ndef main(cache): pass\n", "it had run for 1s 500ms"),
        ("x = 'a' * 10**12\ndef main(cache): pass\n", "more memory than the 64 MiB"),
        ("1 / 0\ndef main(cache): pass\n", "ZeroDivisionError: division by zero"),
    ] {
        desk.save("wrong", source);
        match desk.call("wrong", &[]).await {
            Err(Error::BadFunction { reason, .. }) => assert!(reason.contains(expected), "{source}\n{reason}"),
            other => panic!("{source}: {other:?}"),
        }
    }
    for source in
        ["(".repeat(200_000), "1+".repeat(100_000) + "1", "not ".repeat(60_000) + "1", "a".to_owned() + &".a".repeat(100_000)]
    {
        desk.save("bomb", &format!("{source}\ndef main(cache): pass\n"));
        let error = desk.call("bomb", &[]).await.unwrap_err();
        assert!(matches!(error, Error::BadFunction { .. }), "{error:?}");
        assert_well(&desk).await;
    }
}
