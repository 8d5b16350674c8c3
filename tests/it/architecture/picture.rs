//! Draws `docs/rooms.svg`: the floors as rows, the rooms as boxes, and the imports between rooms as
//! arrows. The floors' names come from the table in `ARCHITECTURE.md`, the arrows from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use super::{FLOORS, PURE, rooms_named, root, sources, statements};

/// The centre of each room in its row, in columns: no arrow runs through the box of another room.
/// A room without an entry spans the row.
const COLUMNS: &[(&str, f64)] = &[
    ("sim", 0.5),
    ("metrics", 2.4),
    ("reconcile", 5.4),
    ("garm", 1.0),
    ("host", 2.8),
    ("secrets", 7.3),
    ("notify", 9.2),
    ("render", 5.8),
    ("audit", 4.4),
    ("event", 5.9),
    ("monitor", 8.4),
    ("plan", 2.6),
    ("policy", 1.0),
    ("config", 1.0),
    ("scaling", 6.0),
];

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 170.0;
const TOP: f64 = 14.0;
const ROW: f64 = 62.0;
const COLUMN: f64 = 80.0;
/// Width and height of a room's box.
const BOX: (f64, f64) = (96.0, 32.0);

const STYLE: &str = "\
  <style>
    text { font: 14px system-ui, sans-serif; fill: #1f2328; }
    .floor { font-size: 13px; fill: #59636e; }
    .room { text-anchor: middle; font-weight: 600; }
    .row { stroke: #d1d9e0; }
    .pure { fill: #ddf4ff; stroke: #54aeff; }
    .effects { fill: #fff8c5; stroke: #d4a72c; }
    .arrow { stroke: #818b98; stroke-width: 1.4; }
    .head { fill: #818b98; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .floor { fill: #9198a1; }
      .row { stroke: #3d444d; }
      .pure { fill: #0d2d4d; stroke: #1f6feb; }
      .effects { fill: #3b2e09; stroke: #9e6a03; }
    }
  </style>
";

/// The head of an arrow.
const HEAD: &str = "  <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
    markerHeight=\"7\" orient=\"auto\"><path class=\"head\" d=\"M0 0 8 4 0 8z\"/></marker>\n";

/// A room's box; all have the height of [`BOX`].
#[derive(Clone, Copy)]
struct RoomBox {
    left: f64,
    top: f64,
    width: f64,
}

impl RoomBox {
    fn middle(self) -> f64 {
        self.left + self.width / 2.0
    }

    fn spans_row(self) -> bool {
        self.width > BOX.0
    }
}

/// Where an arrow leaves `from` and where it meets `to`. On a box of its own size it is shifted
/// towards the other end, so that several arrows stay apart.
fn ends(from: RoomBox, to: RoomBox) -> (f64, f64) {
    match (from.spans_row(), to.spans_row()) {
        (true, _) => (to.middle(), to.middle()),
        (_, true) => (from.middle(), from.middle()),
        (false, false) => {
            let shift = ((to.middle() - from.middle()) * 0.16).clamp(-28.0, 28.0);
            (from.middle() + shift, to.middle() - shift)
        }
    }
}

/// The rooms that each room of the product imports.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let is_room = |name: &str| FLOORS.iter().any(|rooms| rooms.contains(&name));
    for source in sources("src") {
        let Some(room) = source.room().filter(|room| is_room(room)) else { continue };
        for (_, line) in statements(&source.code) {
            let others = rooms_named(&line);
            let others = others.iter().filter(|other| **other != room && is_room(other));
            imports.entry(room.to_owned()).or_default().extend(others.map(|it| (*it).to_owned()));
        }
    }
    imports
}

/// Whether `to` can be reached from `from` without the direct arrow between the two.
fn has_detour(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> =
        imports[from].iter().map(String::as_str).filter(|it| *it != to).collect();
    while let Some(room) = open.pop() {
        if room == to {
            return true;
        }
        if seen.insert(room) {
            open.extend(imports.get(room).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// The imports that do not follow from others: with `a → b` and `b → c`, `a → c` is left out.
fn arrows() -> Vec<(String, String)> {
    let imports = imports();
    let all = imports.iter().flat_map(|(from, tos)| tos.iter().map(move |to| (from, to)));
    all.filter(|(from, to)| !has_detour(&imports, from, to))
        .map(|(from, to)| (from.clone(), to.clone()))
        .collect()
}

/// The rows of the floors' table in `ARCHITECTURE.md`, from the top: the floor and its rooms.
fn floors_in_document() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| floor | room | decides |\n").unwrap();
    let mut floors: Vec<(String, Vec<String>)> = Vec::new();
    for line in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let room = cells[2].trim_matches('`').trim_end_matches('/').trim_end_matches(".rs");
        if !cells[1].is_empty() {
            floors.push((cells[1].to_owned(), Vec::new()));
        }
        floors.last_mut().unwrap().1.push(room.to_owned());
    }
    floors
}

/// The boxes of all rooms.
fn boxes(floors: &[(String, Vec<String>)]) -> BTreeMap<String, RoomBox> {
    let mut boxes = BTreeMap::new();
    for (row, (_, rooms)) in floors.iter().enumerate() {
        let top = TOP + row as f64 * ROW + (ROW - BOX.1) / 2.0;
        for room in rooms {
            let column = COLUMNS.iter().find(|(name, _)| name == room);
            let (left, width) = match column {
                Some((_, column)) => (LEFT + column * COLUMN - BOX.0 / 2.0 + 20.0, BOX.0),
                None => (LEFT, WIDTH - LEFT - 10.0),
            };
            boxes.insert(room.clone(), RoomBox { left, top, width });
        }
    }
    boxes
}

/// The picture as SVG.
fn picture() -> String {
    let floors = floors_in_document();
    let boxes = boxes(&floors);
    let height = TOP * 2.0 + ROW * floors.len() as f64 + 26.0;
    let parts = [lines_of_floors(&floors), lines_of_arrows(&boxes), lines_of_rooms(&boxes)];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"The floors and rooms of runnerctl\">\n\
         <!-- Generated by .ci/generate from ARCHITECTURE.md and the imports in src. -->\n\
         {STYLE}{}{}</svg>\n",
        parts.concat(),
        legend(height - 14.0)
    )
}

fn lines_of_floors(floors: &[(String, Vec<String>)]) -> String {
    let mut svg = String::new();
    for (row, (floor, _)) in floors.iter().enumerate() {
        let top = TOP + row as f64 * ROW;
        let (line, text) = (top + ROW, top + ROW / 2.0 + 5.0);
        writeln!(svg, "  <path class=\"row\" d=\"M0 {line}H{WIDTH}\"/>").unwrap();
        writeln!(svg, "  <text class=\"floor\" x=\"8\" y=\"{text}\">{floor}</text>").unwrap();
    }
    svg
}

fn lines_of_arrows(boxes: &BTreeMap<String, RoomBox>) -> String {
    let mut svg = String::from(HEAD);
    for (from, to) in arrows() {
        let (a, b) = (boxes[&from], boxes[&to]);
        let ((x1, x2), y1, y2) = (ends(a, b), a.top + BOX.1, b.top - 1.0);
        writeln!(
            svg,
            "  <path class=\"arrow\" d=\"M{x1:.0} {y1:.0} {x2:.0} {y2:.0}\" \
             marker-end=\"url(#head)\"><title>{from} uses {to}</title></path>"
        )
        .unwrap();
    }
    svg
}

fn lines_of_rooms(boxes: &BTreeMap<String, RoomBox>) -> String {
    let (mut svg, height) = (String::new(), BOX.1);
    for (room, room_box) in boxes {
        let class = if PURE.contains(&room.as_str()) { "pure" } else { "effects" };
        let RoomBox { left, top, width } = room_box;
        let (x, y) = (room_box.middle(), top + height / 2.0 + 5.0);
        writeln!(
            svg,
            "  <rect class=\"{class}\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" rx=\"6\"/>\
             <text class=\"room\" x=\"{x:.0}\" y=\"{y:.0}\">{room}</text>"
        )
        .unwrap();
    }
    svg
}

/// What the two colours mean, on the line at `y`.
fn legend(y: f64) -> String {
    let mut svg = String::new();
    let entries = [
        (LEFT, "effects", "I/O: files, network, clocks, signals"),
        (LEFT + 350.0, "pure", "pure: values in, values out"),
    ];
    for (x, class, text) in entries {
        let (top, text_x) = (y - 11.0, x + 24.0);
        writeln!(
            svg,
            "  <rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"16\" height=\"12\" rx=\"3\"/>\
             <text class=\"floor\" x=\"{text_x}\" y=\"{y}\">{text}</text>"
        )
        .unwrap();
    }
    svg
}

#[test]
fn the_table_of_floors_lists_the_rooms_in_the_order_of_the_walls() {
    let documented: Vec<BTreeSet<String>> =
        floors_in_document().into_iter().map(|(_, rooms)| rooms.into_iter().collect()).collect();
    let held: Vec<BTreeSet<String>> = FLOORS
        .iter()
        .rev()
        .map(|rooms| rooms.iter().map(|room| (*room).to_owned()).collect())
        .collect();
    assert_eq!(documented, held);
}

/// `.ci/generate` runs this test with `RUNNERCTL_GENERATE` set, and then it writes the file.
#[test]
fn the_picture_of_the_rooms_is_fresh() {
    let path = root().join("docs/rooms.svg");
    let picture = picture();
    if std::env::var_os("RUNNERCTL_GENERATE").is_some() {
        fs::write(&path, &picture).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == picture, "docs/rooms.svg is stale: run `.ci/generate`");
}
