//! Headless Chromium, controlled through a pipe: JSON with a zero byte after each message.
//! See <https://chromedevtools.github.io/devtools-protocol/>.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::prometheus::outside::program;

/// A browser with one page, killed when dropped.
pub(super) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Value,
    last_id: u64,
    /// The events received so far.
    events: Vec<Value>,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its own processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chromium {
    /// Starts with a profile in `folder`.
    pub(super) fn start(folder: &Path) -> Self {
        // The pipe is descriptors 3 and 4; output goes to stderr.
        let script = "exec \"$0\" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
                      --no-first-run --disable-extensions --hide-scrollbars \
                      --remote-debugging-pipe --user-data-dir=\"$1\" 3<&0 4>&1 1>&2 </dev/null";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .arg(program(&["chromium"]))
            .arg(folder)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let from = BufReader::new(from);
        let mut browser =
            Self { child, to, from, session: Value::Null, last_id: 0, events: Vec::new() };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser.ask(
            "Target.attachToTarget",
            &json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its result.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    /// The next message. Fails the test if the browser has crashed, which closes the pipe.
    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Loads a URL at this width in the light or dark colour scheme, and waits for the end of loading.
    pub(super) fn show(&mut self, url: &str, width: u32, scheme: &str) {
        let screen =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", &screen);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        let is_loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        self.events.retain(|event| !is_loaded(event));
        self.ask("Page.navigate", &json!({ "url": url }));
        while !self.events.iter().any(is_loaded) {
            let event = self.next();
            self.events.push(event);
        }
    }

    /// The value of a JavaScript expression. The page's policy does not apply to it.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let result = self.ask("Runtime.evaluate", &asked);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The console messages, errors and failed loads so far, and all requested URLs.
    pub(super) fn messages_and_requests(&mut self) -> (Vec<String>, Vec<String>) {
        let of = |events: &[Value], methods: &[&str], what: fn(&Value) -> String| -> Vec<String> {
            let meant =
                events.iter().filter(|event| methods.iter().any(|name| event["method"] == *name));
            meant.map(|event| what(&event["params"])).collect()
        };
        let complaints = of(
            &self.events,
            &[
                "Log.entryAdded",
                "Runtime.consoleAPICalled",
                "Runtime.exceptionThrown",
                "Page.javascriptDialogOpening",
                "Network.loadingFailed",
            ],
            Value::to_string,
        );
        let requests = of(&self.events, &["Network.requestWillBeSent"], |params| {
            params["request"]["url"].as_str().unwrap_or_default().to_owned()
        });
        self.events.clear();
        (complaints, requests)
    }

    /// A screenshot of the whole page as PNG.
    pub(super) fn picture(&mut self) -> Vec<u8> {
        let asked = json!({ "format": "png", "captureBeyondViewport": true });
        let picture = self.ask("Page.captureScreenshot", &asked);
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }
}
