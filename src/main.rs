//! The one binary: a server on a laptop, the `bootstrap` in Lambda.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
