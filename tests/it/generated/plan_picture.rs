//! `docs/plan.svg`: what `runnerctl plan` prints at a terminal for the fleet of the README.

use anstyle_svg::Term;

use super::keep;
use crate::printed::blocks::block;
use crate::printed::stage::Stage;

const SANDBOX: &str = "runnerctl sandbox --write-config runnerctl.yaml --arrivals 20/m &";

/// The sections of a plan; the rest of the output depends on the machine.
const END: &str = "Requirements";

#[test]
fn the_picture_of_a_plan_is_fresh() {
    let mut stage = Stage::new();
    stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
    stage.start_sandbox(SANDBOX, &[]);
    let said = stage.type_in("runnerctl plan --color always", &[]).ends(0);
    let url = stage.bench.read("runnerctl.yaml");
    let url = url.lines().find_map(|line| line.trim().strip_prefix("url: ")).unwrap();
    let shown: Vec<&str> = said.out.lines().take_while(|line| !line.contains(END)).collect();
    let shown = shown.join("\n").trim_end().replace(url, "http://127.0.0.1:9997");
    let text = format!("$ runnerctl plan\n{shown}\n");
    keep("docs/plan.svg", &Term::new().render_svg(&text));
}
