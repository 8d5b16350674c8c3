#![allow(
    warnings,
    missing_docs,
    clippy::all,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::semicolon_if_nothing_returned,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::uninlined_format_args
)]
use runnerctl::manifest::*;
fn main() {
    let mut fleet = None;
    let mut pools = vec![];
    let mut a = std::env::args().skip(1);
    while let Some(x) = a.next() {
        let (k, f) = if x == "-c" { (0, a.next().unwrap()) } else { (1, x) };
        match Source::decode(f.clone(), std::fs::read(&f).unwrap()) {
            Ok(s) => {
                if k == 0 {
                    fleet = Some(s)
                } else {
                    pools.push(s)
                }
            }
            Err(p) => print!("{}", runnerctl::view::problem::text(&[p])),
        }
    }
    let t = std::time::Instant::now();
    let m = load(fleet.as_ref(), &pools);
    let e = t.elapsed();
    if std::env::var("QUIET").is_err() {
        print!("{}", runnerctl::view::problem::text(&m.problems));
    }
    println!(
        "{}  {} pools {:?}",
        runnerctl::view::problem::summary(&m.problems, pools.len()),
        m.pools.len(),
        e
    );
    if std::env::var("DUMP").is_ok() {
        println!("{:#?} {:#?}", m.fleet_file, m.pools);
    }
}
